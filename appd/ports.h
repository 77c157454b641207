/* SPDX-License-Identifier: ISC */
/*
 * Who holds which local port.  Ports that the configuration gives to an app
 * are reserved for it from the start, so that no dynamic one ever lies in its
 * way; dynamic ones are the lowest free from PORT_DYNAMIC up, as in the
 * protocol's reference.  Pure; tested in tests/unit/app_ports_test.c.
 */
#ifndef WARREN_PORTS_H
#define WARREN_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#define PORT_DYNAMIC 10    /* the lowest */
#define PORT_LAST    65534 /* the highest */
#define PORT_NOBODY  0xffff

/* Memory that nobody touches is not there: most pages stay unused. */
struct ports {
	uint64_t taken[1024];    /* a bit a port: held, or reserved */
	uint64_t reserved[1024]; /* a bit a port */
	uint16_t owner[65536];   /* holder + 1, 0: nobody */
	uint16_t refs[65536];    /* loops on it, and the bind itself */
	uint16_t low;            /* no dynamic port below is free */
	uint32_t n;              /* held */
};

/* All free.  p must be zero. */
void ports_init(struct ports *p);

/* Keep a port for an app of the configuration, or give it free for all. */
void ports_reserve(struct ports *p, uint16_t port, bool on);

/* Hold a reserved port.  False when somebody does. */
bool ports_bind(struct ports *p, uint16_t port, uint16_t holder);

/* Hold the lowest free dynamic port; 0 when there is none. */
uint16_t ports_take(struct ports *p, uint16_t holder);

/* One more or one fewer needs the port; it is free when nobody does. */
void ports_ref(struct ports *p, uint16_t port);
void ports_unref(struct ports *p, uint16_t port);

/* Who holds it, or PORT_NOBODY. */
uint16_t ports_owner(const struct ports *p, uint16_t port);

#endif
