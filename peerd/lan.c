/* SPDX-License-Identifier: ISC */
/*
 * Nodes on the same LAN: our signed record as a datagram to a multicast
 * group, three times quickly at first, then every interval.  What comes in
 * is a record like any other, its source the address of "where you reached
 * me".  Off unless warren.conf turns it on.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "common/ratelimit.h"
#include "peerd/peerd.h"

#define SOCKETS_MAX 8
#define QUICK       3
#define QUICK_MS    1000
#define READS_MAX   16 /* datagrams in one wakeup */
#define SLOTS       256
#define HEARD_MAX   256

static struct group {
	struct naddr to;
	int fd;
	struct event *ev;
} groups[SOCKETS_MAX];
static size_t n_groups;

/* Who announced itself. */
static struct heard {
	bool used;
	bool elsewhere; /* links tell of it as well */
	uint8_t id[32];
	struct mono last;
} heard[HEARD_MAX];

static struct event *timer;
static unsigned quick = QUICK;
static struct ratelimit rate;
static int64_t slots[SLOTS];

void
lan_socket(const struct msg_peerd_multicast *m, int fd)
{
	if (n_groups == SOCKETS_MAX) {
		(void)close(fd);
		return;
	}
	(void)evutil_make_socket_nonblocking(fd);
	groups[n_groups].to = m->group;
	groups[n_groups].fd = fd;
	n_groups++;
}

/* --- who was heard --- */

static struct heard *
find(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < HEARD_MAX; i++)
		if (heard[i].used && memcmp(heard[i].id, id, 32) == 0)
			return &heard[i];
	return NULL;
}

static void
note(const uint8_t id[32], struct mono now)
{
	struct heard *h = find(id);
	size_t i, old = 0;

	if (h == NULL) {
		for (i = 0; i < HEARD_MAX && heard[i].used; i++)
			if (mono_before(heard[i].last, heard[old].last))
				old = i;
		h = &heard[i < HEARD_MAX ? i : old];
		memset(h, 0, sizeof(*h));
		h->used = true;
		memcpy(h->id, id, 32);
	}
	h->last = now;
}

bool
lan_is_silent(const uint8_t id[32])
{
	const struct heard *h = n_groups == 0 ? NULL : find(id);

	return h != NULL && !h->elsewhere &&
	    mono_ms_between(h->last, mono_now()) >
	    (int64_t)peerd.conf.multicast_timeout_ms;
}

void
lan_heard_elsewhere(const uint8_t id[32])
{
	struct heard *h = n_groups == 0 ? NULL : find(id);

	if (h != NULL)
		h->elsewhere = true;
}

/* --- hearing --- */

/* The author, read off a record that records_lan() found good. */
static void
take(const uint8_t *buf, size_t len, struct naddr *from)
{
	struct rec rec;

	if (rec_decode(&rec, &peerd.charter, buf, len) != REC_OK ||
	    rec.kind != REC_NODE || memcmp(rec.author, peerd.node.id, 32) == 0)
		return;
	from->port = 0;
	records_lan(buf, len, from);
	if (known_find(&peerd.known, rec.author) != NULL)
		note(rec.author, mono_now());
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_storage ss;
	uint8_t buf[KNOWN_RAW_MAX + 1];
	struct naddr from;
	socklen_t len;
	ssize_t n;
	int i;

	(void)what;
	(void)arg;
	for (i = 0; i < READS_MAX; i++) {
		len = sizeof(ss);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss,
		    &len);
		if (n == -1)
			return;
		peerd.n.datagrams_in++;
		if ((size_t)n > KNOWN_RAW_MAX ||
		    naddr_from_sockaddr(&from, (struct sockaddr *)&ss) == -1 ||
		    !ratelimit_allow(&rate, &from, mono_now())) {
			peerd.n.datagrams_refused++;
			continue;
		}
		from = addr_canon(&from);
		take(buf, (size_t)n, &from);
	}
}

/* --- saying --- */

static void
say(void)
{
	struct sockaddr_storage ss;
	const uint8_t *raw;
	size_t len = own_record(&raw), i;
	socklen_t to;

	for (i = 0; len > 0 && i < n_groups; i++) {
		to = naddr_to_sockaddr(&groups[i].to, &ss);
		if (sendto(groups[i].fd, raw, len, 0, (struct sockaddr *)&ss,
			to) == -1)
			log_debug("multicast: %s", strerror(errno));
		else
			peerd.n.datagrams_out++;
	}
}

/* A tenth more or less than the interval. */
static int64_t
interval_ms(void)
{
	uint32_t ms = peerd.conf.multicast_interval_ms;

	if (quick > 0 || ms == 0)
		return QUICK_MS;
	return ms - ms / 10 + randombytes_uniform(ms / 5 + 1);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	if (peerd.stopping)
		return;
	say();
	if (quick > 0)
		quick--;
	child_timer_set(timer, mono_add_ms(now, interval_ms()), now);
}

void
lan_record_changed(void)
{
	struct mono now = mono_now();

	if (timer != NULL && !child_timer_pending(timer))
		child_timer_set(timer, now, now);
}

void
lan_start(void)
{
	struct rate r = { .per_s = 5, .burst = 10 };
	uint8_t key[RATELIMIT_KEY];
	size_t i;

	if (n_groups == 0)
		return;
	randombytes_buf(key, sizeof(key));
	ratelimit_init(&rate, r, 32, 64, slots, SLOTS, key);
	timer = child_timer(on_timer, NULL);
	for (i = 0; i < n_groups; i++) {
		groups[i].ev = event_new(child_base(), groups[i].fd,
		    EV_READ | EV_PERSIST, on_read, NULL);
		if (groups[i].ev == NULL)
			fatalx(EX_OSERR, "no memory for a multicast socket");
		(void)event_add(groups[i].ev, NULL);
	}
}
