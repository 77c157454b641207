/* SPDX-License-Identifier: ISC */
/*
 * The node record's payload, as promised in noderec.h.
 */
#include "peerd/noderec.h"

#include <string.h>

#include "common/mp.h"

static void
put_addr(struct wr *w, const struct node_addr *a)
{
	mp_wr_array(w, 5);
	mp_wr_uint(w, a->proto);
	mp_wr_uint(w, a->addr.fam);
	mp_wr_bin(w, a->addr.ip, naddr_ip_len(&a->addr));
	mp_wr_uint(w, a->addr.port);
	mp_wr_uint(w, a->src);
}

static uint16_t
get_port(struct rd *r)
{
	uint16_t port = (uint16_t)mp_rd_uint(r, UINT16_MAX);

	if (port == 0)
		r->bad = true;
	return port;
}

static void
get_addr(struct rd *r, struct node_addr *a)
{
	mp_rd_arity(r, 5);
	a->proto = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	a->addr.fam = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	if (a->addr.fam != NADDR_NONE && naddr_ip_len(&a->addr) == 0)
		r->bad = true;
	mp_rd_bin_exact(r, a->addr.ip, naddr_ip_len(&a->addr));
	a->addr.port = get_port(r);
	a->src = (uint8_t)mp_rd_uint(r, UINT8_MAX);
}

static void
put_stun(struct wr *w, const struct node_stun *s)
{
	mp_wr_array(w, 8);
	mp_wr_uint(w, s->proto);
	mp_wr_uint(w, s->service);
	mp_wr_bin(w, s->addr.ip, naddr_ip_len(&s->addr));
	mp_wr_uint(w, s->addr.port);
	mp_wr_bin(w, s->via8, 8);
	mp_wr_uint(w, s->since);
	mp_wr_uint(w, s->seen);
	mp_wr_uint(w, s->verified);
}

static void
get_stun(struct rd *r, struct node_stun *s)
{
	const uint8_t *ip;
	size_t len;

	mp_rd_arity(r, 8);
	s->proto = (uint8_t)mp_rd_uint(r, 1);
	s->service = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	ip = mp_rd_bin(r, 4, 16, &len);
	if (len != 4 && len != 16)
		r->bad = true;
	if (!r->bad && ip != NULL) {
		s->addr.fam = len == 4 ? NADDR_V4 : NADDR_V6;
		memcpy(s->addr.ip, ip, len);
	}
	s->addr.port = get_port(r);
	mp_rd_bin_exact(r, s->via8, 8);
	s->since = mp_rd_uint(r, NODEREC_TIME_MAX);
	s->seen = mp_rd_uint(r, NODEREC_TIME_MAX);
	s->verified = (uint8_t)mp_rd_uint(r, NODE_VERIFIED_FALSE);
	if (s->seen < s->since)
		r->bad = true;
}

/* Text that is printable ASCII through and through. */
static void
get_text(struct rd *r, char *out, size_t cap)
{
	const char *p;

	mp_rd_str(r, out, cap);
	for (p = out; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			r->bad = true;
}

int
noderec_encode(struct wr *w, const struct noderec *nr)
{
	struct noderec check;
	size_t i, start = w->len;

	if (w->bad || nr->n_addrs > NODEREC_ADDRS_MAX ||
	    nr->n_stun > NODEREC_STUN_MAX || nr->n_vias > NODEREC_VIAS_MAX)
		return -1;
	mp_wr_array(w, 10);
	mp_wr_uint(w, NODEREC_VERSION);
	mp_wr_uint(w, nr->caps);
	mp_wr_array(w, nr->n_addrs);
	for (i = 0; i < nr->n_addrs; i++)
		put_addr(w, &nr->addrs[i]);
	mp_wr_array(w, nr->n_stun);
	for (i = 0; i < nr->n_stun; i++)
		put_stun(w, &nr->stun[i]);
	mp_wr_uint(w, nr->nat);
	mp_wr_str(w, nr->region);
	mp_wr_uint(w, nr->free_gib);
	mp_wr_array(w, nr->n_vias);
	for (i = 0; i < nr->n_vias; i++)
		mp_wr_bin(w, nr->vias[i], 32);
	mp_wr_str(w, nr->agent);
	mp_wr_str(w, nr->name);
	/* What we could not read ourselves, others must never see. */
	if (w->bad)
		return -1;
	return noderec_decode(&check, w->p + start, w->len - start);
}

int
noderec_decode(struct noderec *nr, const void *buf, size_t len)
{
	struct rd r;
	size_t i;

	memset(nr, 0, sizeof(*nr));
	if (len > NODEREC_MAX)
		return -1;
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 10);
	if (mp_rd_uint(&r, UINT8_MAX) != NODEREC_VERSION)
		r.bad = true;
	nr->caps = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	nr->n_addrs = (uint8_t)mp_rd_array(&r, NODEREC_ADDRS_MAX);
	for (i = 0; i < nr->n_addrs; i++)
		get_addr(&r, &nr->addrs[i]);
	nr->n_stun = (uint8_t)mp_rd_array(&r, NODEREC_STUN_MAX);
	for (i = 0; i < nr->n_stun; i++)
		get_stun(&r, &nr->stun[i]);
	nr->nat = (uint8_t)mp_rd_uint(&r, 0x3f);
	get_text(&r, nr->region, sizeof(nr->region));
	nr->free_gib = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	nr->n_vias = (uint8_t)mp_rd_array(&r, NODEREC_VIAS_MAX);
	for (i = 0; i < nr->n_vias; i++)
		mp_rd_bin_exact(&r, nr->vias[i], 32);
	get_text(&r, nr->agent, sizeof(nr->agent));
	get_text(&r, nr->name, sizeof(nr->name));
	return rd_done(&r) ? 0 : -1;
}
