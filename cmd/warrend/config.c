/* SPDX-License-Identifier: ISC */
/*
 * Defaults, and what only the whole configuration can tell.
 */
#include "cmd/warrend/config.h"

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/warrend/config_load.h"
#include "common/addr_policy.h"

/* --- defaults --- */

static const struct msg_peerd_config peer_defaults = {
	.max_peers = 64,
	.max_inbound = 48,
	.max_outbound = 16,
	.max_per_prefix = 4,
	.handshakes_per_s = 5,
	.handshake_ms = 5000,
	.dial_ms = 10000,
	.ping_ms = 15000,
	.dead_ms = 45000,
	.known_max = 1024,
	.record_refresh_ms = 20 * 60000,
	.republish_ms = 10000,
	.multicast_interval_ms = 30000,
	.multicast_timeout_ms = 120000,
	.seed_interval_ms = 3600000,
	.seed_timeout_ms = 10000,
	.save_ms = 5 * 60000,
	.retry_ms = 5000,
	.relay = true,
	.relay_circuits = 128,
	.relay_per_peer = 8,
	.relay_reservations = 64,
	.relay_bytes = 1 << 30,
	.relay_s = 3600,
	.relay_free_bytes = 1 << 20,
	.relay_free_s = 120,
	.relay_reserve = 0, /* auto */
	.feeler_ms = 60000,
};

static const struct msg_stund_config stun_defaults = {
	.keepalive_ms = 20000,
	.tcp = true,
	.clients_max = 8,
	.rate = 10,
	.burst = 30,
	.global_rate = 5000,
	.tcp_conns_max = 1024,
	.tcp_idle_ms = 60000,
	.requesters_max = 256,
};

static const struct msg_apid_config api_defaults = {
	.conns_max = 2048,
	.conns_per_prefix = 256,
	.header_max = 8192,
	.body_max = 6u << 20, /* a block of 4 MiB in base64 */
	.batch_max = 100,
	.header_ms = 10000,
	.body_ms = 30000,
	.idle_ms = 60000,
	.window_ms = 30000,
	.max_requests = 500,
	.blacklist_threshold = 3,
	.blacklist_ms = 3600000,
	.allow_origin = "*",
};

static const struct msg_store_config store_defaults = {
	.bodies_max = UINT64_C(4) << 30,
	.commit_ms = 3,
	.cache_bytes = 2u << 20,
	.fetch = true,
};

static const struct msg_appd_config appd_defaults = {
	.conns_max = 64,
	.loops_max = 8192,
	.loops_per_app = 2048,
	.window = 64u << 10,
	.window_max = 1u << 20,
	.app_bytes = 128u << 20,
	.confirm_ms = 20000,
};

/* dir/name, or nothing when that is too long. */
static void
join(char out[CONF_PATH], const char *dir, const char *name)
{
	char path[2 * CONF_PATH];
	int n = snprintf(path, sizeof(path), "%s%s", dir, name);

	out[0] = '\0';
	if (n > 0 && n < CONF_PATH)
		memcpy(out, path, (size_t)n + 1);
}

static void
paths_root(struct config *c)
{
	join(c->state_dir, "/var/lib/warren", "");
	join(c->chroot_dir, "/run/warren/empty", "");
	join(c->controls[0].path, "/run/warren/warren.sock", "");
}

static const char *
home_dir(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && home[0] == '/')
		return home;
	pw = getpwuid(getuid());
	return pw != NULL && pw->pw_dir[0] == '/' ? pw->pw_dir : "/";
}

/* The XDG base directories; without one for sockets, below our own state. */
static void
paths_user(struct config *c)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *run = getenv("XDG_RUNTIME_DIR");
	char dir[CONF_PATH];

	if (state != NULL && state[0] == '/')
		join(c->state_dir, state, "/warren");
	else
		join(c->state_dir, home_dir(), "/.local/state/warren");
	if (run != NULL && run[0] == '/')
		join(dir, run, "/warren");
	else
		join(dir, c->state_dir, "/run");
	join(c->chroot_dir, dir, "/empty");
	join(c->controls[0].path, dir, "/warren.sock");
}

/* Beside this binary, as built; or where sbin's libexec is, once installed. */
static void
path_libexec(struct config *c)
{
	char self[CONF_PATH];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	join(c->libexec_dir, "/usr/local/libexec/warren", "");
	if (n <= 0)
		return;
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) == NULL || slash == self)
		return;
	*slash = '\0';
	slash = strrchr(self, '/');
	if (strcmp(slash, "/sbin") == 0 || strcmp(slash, "/bin") == 0) {
		*slash = '\0';
		join(c->libexec_dir, self, "/libexec/warren");
	} else {
		join(c->libexec_dir, self, "");
	}
}

static void
add_listen(struct config *c, enum service service, uint16_t port)
{
	c->listens[c->n_listens++] = (struct conf_listen){
		.service = (uint8_t)service,
		.addr = { .fam = NADDR_V4, .port = port },
		.both_families = true,
	};
}

void
config_defaults(struct config *c, bool root)
{
	memset(c, 0, sizeof(*c));
	(void)snprintf(c->network, sizeof(c->network), "main");
	if (root)
		paths_root(c);
	else
		paths_user(c);
	path_libexec(c);
	(void)snprintf(c->users[PROC_STUND], sizeof(c->users[0]),
	    "_warren_stun");
	(void)snprintf(c->users[PROC_PEERD], sizeof(c->users[0]),
	    "_warren_peer");
	(void)snprintf(c->users[PROC_STORE], sizeof(c->users[0]),
	    "_warren_store");
	(void)snprintf(c->users[PROC_APID], sizeof(c->users[0]), "_warren_api");
	(void)snprintf(c->users[PROC_APPD], sizeof(c->users[0]), "_warren_app");
	(void)snprintf(c->users[PROC_RESOLVER], sizeof(c->users[0]),
	    "_warren_res");
	c->log_dest = root ? LOG_TO_SYSLOG : LOG_TO_STDERR;
	c->log_level = LOG_LVL_INFO;
	c->controls[0].mode = 0660;
	if (root && getgrnam("_warrenctl") != NULL)
		(void)snprintf(c->controls[0].group,
		    sizeof(c->controls[0].group), "_warrenctl");
	c->n_controls = 1;
	add_listen(c, SVC_LINK, 38080);
	add_listen(c, SVC_STUN_UDP, 3478);
	add_listen(c, SVC_HTTP, 38081);
	c->stun = stun_defaults;
	c->peer = peer_defaults;
	c->api = api_defaults;
	c->api_workers = 2;
	c->store = store_defaults;
	c->appd = appd_defaults;
	c->apps_by_hand = true;
	c->open_files = 4096;
	c->restarts_max = 5;
	c->restarts_window_ms = 60000;
	c->stop_ms = 10000;
	c->landlock_max = -1;
}

static bool
is_default(const struct config *c, enum conf_word w)
{
	return c->origins[w].file == NULL;
}

/* Beside the control socket, so that a second node has one of its own. */
static void
settle_apps_socket(struct config *c)
{
	char dir[CONF_PATH];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s",
	    c->n_controls > 0 ? c->controls[0].path : c->state_dir);
	slash = strrchr(dir, '/');
	if (c->n_controls > 0 && slash != NULL)
		*slash = '\0';
	join(c->apps_socket, dir, "/apps.sock");
}

void
conf_settle(struct config *c)
{
	struct msg_peerd_config *p = &c->peer;

	if (c->apps_path[0] == '\0')
		join(c->apps_path, c->libexec_dir, "/apps");
	if (c->apps_socket[0] == '\0')
		settle_apps_socket(c);
	if (c->node_key[0] == '\0')
		join(c->node_key, c->state_dir, "/node.key");
	/* A smaller whole makes smaller parts, where none were written. */
	if (is_default(c, W_MAX_INBOUND) && p->max_inbound > p->max_peers)
		p->max_inbound = p->max_peers;
	if (is_default(c, W_MAX_OUTBOUND) && p->max_outbound > p->max_peers)
		p->max_outbound = p->max_peers;
	if (is_default(c, W_API_CLIENTS_PER_PREFIX) &&
	    c->api.conns_per_prefix > c->api.conns_max)
		c->api.conns_per_prefix = c->api.conns_max;
	if (is_default(c, W_T_DEAD) && p->dead_ms <= p->ping_ms)
		p->dead_ms = p->ping_ms * 3;
	if (is_default(c, W_T_PING) && p->ping_ms >= p->dead_ms)
		p->ping_ms = p->dead_ms / 3;
}

/* --- checks --- */

#define LOOP_LINKS 128 /* peerd's LOOP_LINKS_MAX, beside max-peers */

struct check {
	const struct config *c;
	FILE *errors;
	int n;
};

static void complain(struct check *ck, const struct conf_origin *at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
complain(struct check *ck, const struct conf_origin *at, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(ck->errors,
	    "%s:%d: ", at->file != NULL ? at->file : "(default)", at->line);
	va_start(ap, fmt);
	(void)vfprintf(ck->errors, fmt, ap);
	va_end(ap);
	(void)fputc('\n', ck->errors);
	ck->n++;
}

/* Of two values set by hand, the place of the later one. */
static const struct conf_origin *
place(const struct config *c, enum conf_word a, enum conf_word b)
{
	return is_default(c, a) ? &c->origins[b] : &c->origins[a];
}

static bool
is_tcp_only(const struct conf_listen *l)
{
	return l->service != SVC_STUN_UDP;
}

/* Would the kernel refuse the second of these? */
static bool
collide(const struct conf_listen *a, const struct conf_listen *b)
{
	bool a_any = a->both_families, b_any = b->both_families;

	if (a->addr.port != b->addr.port || a->addr.port == 0)
		return false;
	if (!a_any && !b_any && a->addr.fam != b->addr.fam)
		return false; /* IPv6 sockets are IPv6 only */
	return a_any || b_any || naddr_is_any(&a->addr) ||
	    naddr_is_any(&b->addr) || naddr_ip_equal(&a->addr, &b->addr);
}

static void
check_listens(struct check *ck)
{
	const struct config *c = ck->c;
	const struct conf_listen *a, *b;
	const struct conf_origin *at, *other;

	for (a = c->listens; a < c->listens + c->n_listens; a++) {
		for (b = c->listens; b < a; b++) {
			if (!collide(a, b))
				continue;
			at = a->at.file != NULL ? &a->at : &b->at;
			other = at == &a->at ? &b->at : &a->at;
			complain(ck, at,
			    "port %u is taken by the listener at "
			    "%s:%d",
			    a->addr.port,
			    other->file != NULL ? other->file : "(default)",
			    other->line);
		}
		if ((c->stun_client_port_udp != 0 && !is_tcp_only(a) &&
			a->addr.port == c->stun_client_port_udp) ||
		    (c->stun_client_port_tcp != 0 &&
			a->addr.port == c->stun_client_port_tcp))
			complain(ck, &c->origins[W_STUN_CLIENT],
			    "stun client: port %u is a listener's",
			    a->addr.port);
		if (a->advertise.fam != NADDR_NONE && !a->both_families &&
		    a->advertise.fam != a->addr.fam)
			complain(ck, &a->at,
			    "advertise: IPv4 for IPv4, IPv6 for IPv6");
		if (c->test_echo &&
		    (a->both_families || addr_class(&a->addr) != ADDR_LOOPBACK))
			complain(ck, &a->at,
			    "--test-echo wants every listener on loopback");
	}
}

static void
check_limits(struct check *ck)
{
	const struct config *c = ck->c;
	const struct msg_peerd_config *p = &c->peer;
	uint32_t per_worker = c->api.conns_max / c->api_workers + 1;
	uint32_t links = p->max_peers + LOOP_LINKS;
	uint32_t need = 64 + (per_worker > links ? per_worker : links);

	if (p->max_inbound > p->max_peers)
		complain(ck, place(c, W_MAX_INBOUND, W_MAX_PEERS),
		    "max-inbound %u is more than max-peers %u", p->max_inbound,
		    p->max_peers);
	if (p->max_outbound > p->max_peers)
		complain(ck, place(c, W_MAX_OUTBOUND, W_MAX_PEERS),
		    "max-outbound %u is more than max-peers %u",
		    p->max_outbound, p->max_peers);
	if (p->dead_ms <= p->ping_ms)
		complain(ck, place(c, W_T_DEAD, W_T_PING),
		    "dead must be longer than ping");
	if (c->api.conns_per_prefix > c->api.conns_max)
		complain(ck, place(c, W_API_CLIENTS_PER_PREFIX, W_API_CLIENTS),
		    "api-clients-per-prefix %u is more than api-clients %u",
		    c->api.conns_per_prefix, c->api.conns_max);
	if (c->open_files < need)
		complain(ck, place(c, W_OPEN_FILES, W_API_CLIENTS),
		    "open-files %u: max-peers and api-clients need %u",
		    c->open_files, need);
}

static void
check_peers(struct check *ck)
{
	const struct config *c = ck->c;
	const struct conf_peer *a, *b;

	for (a = c->peers; a < c->peers + c->n_peers; a++)
		for (b = c->peers; b < a && a->p.has_key; b++)
			if (b->p.has_key && a->p.origin == b->p.origin &&
			    memcmp(a->p.key, b->p.key, 32) == 0)
				complain(ck, &a->at, "the same key as at %s:%d",
				    b->at.file, b->at.line);
}

static void
check_paths(struct check *ck)
{
	const struct config *c = ck->c;

	/* Empty where the environment's directories were too long. */
	if (c->state_dir[0] == '\0' || c->node_key[0] == '\0')
		complain(ck, &c->origins[W_STATE], "state: path too long");
	if (c->chroot_dir[0] == '\0' || c->libexec_dir[0] == '\0' ||
	    (c->n_controls > 0 && c->controls[0].path[0] == '\0'))
		complain(ck, &c->origins[W_CHROOT],
		    "chroot, libexec or control: path too long");
}

static char *
print_text(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	config_print(c, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int
config_check(struct config *c, FILE *errors)
{
	struct check ck = { .c = c, .errors = errors };

	check_listens(&ck);
	check_limits(&ck);
	check_peers(&ck);
	check_paths(&ck);
	if (ck.n > 0)
		return ck.n;
	free(c->text);
	if ((c->text = print_text(c)) == NULL) {
		complain(&ck, &c->origins[W_NETWORK], "out of memory");
		return ck.n;
	}
	return 0;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	free(c->text);
	c->text = NULL;
}
