/* SPDX-License-Identifier: ISC */
/*
 * Reading the configuration anew while running: all of it is applied, or
 * nothing.  Peers, mappings and connections stay.  What cannot change while
 * running is named, and left for a restart.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/operator.h"
#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

/* Into the running configuration goes what may change while running. */
static void
apply(struct config *new)
{
	struct config *c = &warrend.conf;
	bool loud = warrend.verbose > 0;
	uint32_t cache = c->store.cache_bytes;

	c->stun = new->stun;
	c->peer = new->peer;
	c->api = new->api;
	c->store = new->store;
	c->store.cache_bytes = cache; /* the file is open with that */
	memcpy(c->peers, new->peers, sizeof(c->peers));
	c->n_peers = new->n_peers;
	c->appd = new->appd;
	memcpy(c->apps_path, new->apps_path, sizeof(c->apps_path));
	memcpy(c->apps, new->apps, sizeof(c->apps));
	c->n_apps = new->n_apps;
	memcpy(c->bans, new->bans, sizeof(c->bans));
	c->n_bans = new->n_bans;
	c->restarts_max = new->restarts_max;
	c->restarts_window_ms = new->restarts_window_ms;
	c->stop_ms = new->stop_ms;
	c->log_level = new->log_level;
	memcpy(c->origins, new->origins, sizeof(c->origins));
	(void)strlcpy(c->region, new->region, sizeof(c->region));
	(void)strlcpy(c->node_name, new->node_name, sizeof(c->node_name));
	(void)strlcpy(warrend.node.region, c->region,
	    sizeof(warrend.node.region));
	if (c->node_name[0] != '\0')
		(void)strlcpy(warrend.node.name, c->node_name,
		    sizeof(warrend.node.name));
	if (!loud)
		log_set_level(c->log_level);
}

int
reload_config(FILE *out)
{
	static struct config new;
	int errors;

	notify_reloading(true);
	config_defaults(&new, geteuid() == 0); /* as at start */
	errors =
	    config_load(&new, warrend.conf_path, warrend.conf_optional, out);
	if (errors == 0)
		errors = config_check(&new, out);
	if (errors != 0) {
		log_warn("not reloaded: %d error%s in %s", errors,
		    errors == 1 ? "" : "s", warrend.conf_path);
		config_free(&new);
		notify_reloading(false);
		return EX_CONFIG;
	}
	if (config_diff(&warrend.conf, &new, out))
		log_info("some changes wait for a restart");
	apply(&new);
	config_free(&new);
	log_reopen();
	children_reconfigure();
	warrend.reloads++;
	log_info("reloaded %s", warrend.conf_path);
	control_emit("config", "reloaded");
	notify_reloading(false);
	return 0;
}
