/* SPDX-License-Identifier: ISC */
/*
 * main() of the parent: the command line, the order of start, signals.  What
 * happens in which file is drawn in warrend.h.  Tested in tests/regress/.
 */
#include "cmd/warrend/warrend.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/apps.h"
#include "cmd/warrend/keys.h"
#include "cmd/warrend/launch.h"
#include "cmd/warrend/operator.h"
#include "cmd/warrend/sockets.h"
#include "common/charter.h"
#include "common/compat/compat.h"
#include "common/log.h"
#include "common/sandbox.h"

struct warrend warrend;

extern char **environ;

/* What the command line says. */
struct args {
	bool debug, foreground, check, print, test_echo;
	const char *file, *ready_file;
	int ready_fd;
	unsigned verbose;
};

static _Noreturn void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: warrend [-dFnvV] [-D name=value] [-f file] [-N fd] "
	    "[-R file]\n               [--test-echo]\n");
	exit(EX_USAGE);
}

static void
parse_args(int argc, char **argv, struct args *a)
{
	static const struct option longs[] = {
		{ "test-echo", no_argument, NULL, 'E' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 }
	};
	const char *err;
	int c;

	a->ready_fd = -1;
	while ((c = getopt_long(argc, argv, "dD:f:FnN:R:vV", longs, NULL)) !=
	    -1) {
		switch (c) {
		case 'd':
			a->debug = a->foreground = true;
			break;
		case 'D':
			if (config_define(optarg) == -1) {
				(void)fprintf(stderr, "warrend: -D %s: want "
				    "name=value\n", optarg);
				exit(EX_USAGE);
			}
			break;
		case 'f':
			a->file = optarg;
			break;
		case 'F':
			a->foreground = true;
			break;
		case 'n':
			a->check = true;
			break;
		case 'N':
			a->ready_fd = (int)strtonum(optarg, 3, 1023, &err);
			if (err != NULL) {
				(void)fprintf(stderr,
				    "warrend: -N %s: %s\n", optarg, err);
				exit(EX_USAGE);
			}
			break;
		case 'R':
			/* A copy: the title will lie over argv. */
			a->ready_file = strdup(optarg);
			break;
		case 'v':
			a->verbose++;
			break;
		case 'V':
			(void)printf("warrend %s\n", WARREN_VERSION);
			exit(0);
		case 'E':
			a->test_echo = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

/* --- who we may become --- */

/* Is uid mapped into this user namespace? */
static bool
uid_is_mapped(unsigned long uid)
{
	unsigned long in, out, n;
	bool mapped = false;
	FILE *f = fopen("/proc/self/uid_map", "re");

	if (f == NULL)
		return true; /* not Linux: there is but one namespace */
	while (!mapped && fscanf(f, "%lu %lu %lu", &in, &out, &n) == 3)
		mapped = uid >= in && uid - in < n;
	(void)fclose(f);
	return mapped;
}

/*
 * Can every child get a user of its own?  Otherwise we run as an ordinary
 * user does, and say so.
 */
static bool
can_drop(struct config *c, char *why, size_t cap)
{
	static const enum proc_kind kinds[] = { PROC_RESOLVER, PROC_STUND,
		PROC_PEERD, PROC_STORE, PROC_APID, PROC_APPD };
	const struct passwd *pw;
	size_t i;

	if (geteuid() != 0) {
		(void)snprintf(why, cap, "not root");
		return false;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pw = getpwnam(c->users[kinds[i]]);
		if (pw == NULL || !uid_is_mapped(pw->pw_uid)) {
			(void)snprintf(why, cap, "user %s %s",
			    c->users[kinds[i]], pw == NULL ?
			        "does not exist" : "is not mapped here");
			return false;
		}
		warrend.uids[kinds[i]] = pw->pw_uid;
		warrend.gids[kinds[i]] = pw->pw_gid;
	}
	return true;
}

static char why_no_root[96];

static void
decide_root(void)
{
	warrend.root = can_drop(
	    &warrend.conf, why_no_root, sizeof(why_no_root));
	if (!warrend.root && warrend.conf.privdrop_required)
		fatalx(EX_NOPERM, "privdrop required, but %s", why_no_root);
}

/* --- configuration --- */

static void
default_conf_path(char *path, size_t cap)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		(void)snprintf(path, cap, "/etc/warren/warren.conf");
	else if (xdg != NULL && xdg[0] == '/')
		(void)snprintf(path, cap, "%s/warren/warren.conf", xdg);
	else
		(void)snprintf(path, cap, "%s/.config/warren/warren.conf",
		    home != NULL ? home : "");
}

/* Test builds can pretend to run on a kernel with an older Landlock. */
static void
mask_landlock(void)
{
#ifdef WARREN_ATTACK
	const char *v = getenv("WARREN_LANDLOCK_MAX");

	if (v != NULL)
		warrend.conf.landlock_max =
		    (int)strtonum(v, -1, 100, NULL);
#endif
}

static void
load_config(const struct args *a)
{
	char *whole;
	int errors;

	if (a->file != NULL) {
		/* Absolute, so that a reload finds it from anywhere. */
		whole = realpath(a->file, NULL);
		(void)strlcpy(warrend.conf_path,
		    whole != NULL ? whole : a->file,
		    sizeof(warrend.conf_path));
		free(whole);
	} else {
		default_conf_path(
		    warrend.conf_path, sizeof(warrend.conf_path));
		warrend.conf_optional = true;
	}
	config_defaults(&warrend.conf, geteuid() == 0);
	errors = config_load(&warrend.conf, warrend.conf_path,
	    warrend.conf_optional, stderr);
	if (errors == 0)
		errors = config_check(&warrend.conf, stderr);
	if (errors != 0)
		exit(EX_CONFIG);
	warrend.conf.test_echo = a->test_echo;
	mask_landlock();
}

static void
load_charter(void)
{
	static uint8_t buf[CHARTER_MAX + 1];
	static struct charter ch;
	const char *path = warrend.conf.charter;
	enum charter_err err;
	ssize_t n;
	int fd;

	warrend.charter = charter_default;
	warrend.charter_len = charter_default_len;
	if (path[0] != '\0') {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1 || (n = read(fd, buf, sizeof(buf))) == -1)
			fatal(EX_CONFIG, "charter %s", path);
		(void)close(fd);
		warrend.charter = buf;
		warrend.charter_len = (size_t)n;
	}
	err = charter_decode(&ch, warrend.charter, warrend.charter_len);
	if (err != CHARTER_OK)
		fatalx(EX_CONFIG, "charter %s: %s",
		    path[0] == '\0' ? "built in" : path,
		    charter_err_name(err));
	if (strcmp(ch.name, warrend.conf.network) != 0)
		fatalx(EX_CONFIG,
		    "network \"%s\": the charter is of network \"%s\"",
		    warrend.conf.network, ch.name);
	memcpy(warrend.netid, ch.netid, sizeof(warrend.netid));
}

/* --- going into the background --- */

/*
 * In the process that was started: wait for the word, and pass it on.  When
 * pid dies without one, its exit code is the word.
 */
static _Noreturn void
wait_for_ready(int fd, pid_t pid)
{
	int status;
	uint8_t code;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n == -1 && errno == EINTR);
	if (n == 1)
		_exit(code);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));
	_exit(EX_SOFTWARE);
}

/* Returns the descriptor to say ready on, -1 in the foreground. */
static int
daemonize(void)
{
	int p[2], null;
	pid_t pid;

	if (warrend.foreground)
		return -1;
	if (pipe2(p, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal(EX_OSERR, "fork");
	if (pid != 0) {
		(void)close(p[1]);
		wait_for_ready(p[0], pid);
	}
	(void)close(p[0]);
	(void)setsid();
	if ((null = open("/dev/null", O_RDWR)) != -1) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		if (null > STDERR_FILENO)
			(void)close(null);
	}
	return p[1];
}

/*
 * In the background with a log elsewhere, nobody who reads what the started
 * process prints shall have to wait for us as well.
 */
static bool
keeps_stderr(void)
{
	return warrend.foreground || warrend.conf.log_dest == LOG_TO_STDERR;
}

static int pid_fd = -1;

static void
write_pid_file(void)
{
	const char *path = warrend.conf.pid_file;

	if (path[0] == '\0')
		return;
	pid_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (pid_fd == -1)
		fatal(EX_NOPERM, "pid file %s", path);
	if (flock(pid_fd, LOCK_EX | LOCK_NB) == -1)
		fatalx(EX_UNAVAILABLE,
		    "pid file %s: another warrend is already running", path);
	if (ftruncate(pid_fd, 0) == -1 ||
	    dprintf(pid_fd, "%d\n", (int)getpid()) < 0)
		log_warn("pid file %s: %s", path, strerror(errno));
}

/* --- signals --- */

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	(void)arg;
	log_info("signal %d: stopping", (int)sig);
	supervise_stop(0);
}

static void
on_sighup(evutil_socket_t sig, short what, void *arg)
{
	char *text = NULL, *line, *rest;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)sig;
	(void)what;
	(void)arg;
	if (f == NULL)
		return;
	(void)reload_config(f);
	(void)fclose(f);
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0] != '\0')
			log_info("%s", line);
	free(text);
}

static void
on_sigusr1(evutil_socket_t sig, short what, void *arg)
{
	struct msg_process v;
	unsigned i;

	(void)sig;
	(void)what;
	(void)arg;
	for (i = 0; i < warrend.n_procs; i++) {
		supervise_view(&warrend.procs[i], &v);
		log_info("%s pid %u %s up %llu s, %u restarts, %s", v.name,
		    v.pid, v.state, (unsigned long long)v.uptime_s, v.restarts,
		    v.sandbox);
	}
}

static void
catch(int sig, void (*fn)(evutil_socket_t, short, void *))
{
	struct event *ev = evsignal_new(warrend.base, sig, fn, NULL);

	if (ev == NULL || event_add(ev, NULL) == -1)
		fatalx(EX_OSERR, "no memory for a signal");
}

static void
catch_signals(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	catch(SIGTERM, on_stop_signal);
	catch(SIGINT, on_stop_signal);
	catch(SIGHUP, on_sighup);
	catch(SIGUSR1, on_sigusr1);
}

/* --- the order of start --- */

static void
open_log(const struct args *a)
{
	const char *path = warrend.conf.log_file;

	log_set_level(a->verbose > 0 ? LOG_LVL_DEBUG : warrend.conf.log_level);
	if (a->debug || (a->foreground && warrend.conf.log_dest ==
	    LOG_TO_STDERR))
		return;
	if (log_open(warrend.conf.log_dest, "warrend", path) == -1)
		fatal(EX_NOPERM, "log file %s", path);
	if (!keeps_stderr())
		(void)dup2(STDIN_FILENO, STDERR_FILENO); /* /dev/null */
}

static void
refuse_public_echo(void)
{
	if (warrend.conf.test_echo && !sockets_all_loopback())
		fatalx(EX_CONFIG,
		    "--test-echo: every listener must be on loopback");
}

/* The first lines of the log. */
static void
log_start(bool made_key)
{
	char hex[NODE_ID_HEX];

	log_info("warren %s, node %s, network %s", WARREN_VERSION,
	    node_id_hex(keys_public(), hex), warrend.conf.network);
	if (!warrend.root)
		log_info("%s: no chroot and no change of user; separate "
		    "processes, seccomp and Landlock stay on", why_no_root);
	if (warrend.conf.test_echo)
		log_warn("--test-echo: answering /echo, for conformance tests "
		    "only");
	if (made_key)
		log_info("made a new node key at %s; back it up: it is this "
		    "node's identity", warrend.conf.node_key);
}

static void
run(const struct args *a)
{
	int waiting = daemonize(), launcher_fd;
	pid_t launcher;
	bool made;

	notify_init(a->ready_file, a->ready_fd, waiting);
	/* Before the key is in memory and before any filter. */
	if ((launcher = launch_start(&launcher_fd, keeps_stderr())) == -1)
		fatal(EX_OSERR, "launcher");
	files_prepare_dirs();
	made = keys_open(warrend.conf.node_key) == 1;
	load_charter();
	operator_read();
	if ((warrend.base = event_base_new()) == NULL)
		fatalx(EX_OSERR, "event loop");
	control_open();
	apps_open();
	node_init();
	sockets_open();
	refuse_public_echo();
	supervise_check_programs();
	write_pid_file();
	catch_signals();
	open_log(a);
	log_start(made);
	(void)sandbox_parent(warrend.sandbox);
	setproctitle("parent");
	supervise_start(launcher_fd, launcher);
	(void)event_base_dispatch(warrend.base);
	control_close();
	apps_close();
	if (warrend.conf.pid_file[0] != '\0')
		(void)unlink(warrend.conf.pid_file);
	log_info("stopped");
}

int
main(int argc, char **argv)
{
	struct args a = { 0 };

	compat_setproctitle_init(argc, argv, environ);
	if (argc == 3 && strcmp(argv[1], "-x") == 0 &&
	    strcmp(argv[2], "resolver") == 0)
		return resolver_main(argc, argv);
	(void)log_open(LOG_TO_STDERR, "warrend", NULL);
	parse_args(argc, argv, &a);
	if (sodium_init() == -1)
		fatalx(EX_OSERR, "libsodium: no random source");
	warrend.started = mono_now();
	warrend.foreground = a.foreground;
	warrend.verbose = a.verbose;
	load_config(&a);
	if (a.check) {
		if (a.verbose > 0)
			config_print(&warrend.conf, stdout);
		else
			(void)printf("configuration OK\n");
		return 0;
	}
	decide_root();
	run(&a);
	return warrend.exit_code;
}
