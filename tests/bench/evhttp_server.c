/* SPDX-License-Identifier: ISC */
/*
 * The peer that benchmarks measure against: the smallest honest HTTP server
 * on libevent's evhttp, which builds its answer of some 640 bytes for each
 * request, as a program that uses evhttp does.
 *
 *	evhttp_server ADDR PORT
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned long served;

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct evbuffer *out = evbuffer_new();
	char body[1024];
	int n;

	(void)arg;
	n = snprintf(body, sizeof(body),
	    "{\"nodeId\":\"%064lx\",\"publicKey\":\"%064lx\",\"version\":\"0.1.0\","
	    "\"address\":\"127.0.0.1\",\"httpPort\":38081,\"wsPort\":38082,"
	    "\"capabilities\":[\"stun\"],\"status\":\"online\",\"time\":%ld,"
	    "\"ports\":{\"node\":38080,\"http\":38081},\"stun\":{\"nat\":"
	    "{\"mapping\":\"independent\",\"filtering\":null,\"ports\":"
	    "\"preserved\"},\"servers\":[{\"proto\":\"udp\",\"port\":3478}],"
	    "\"mappings\":[{\"proto\":\"udp\",\"stun_address\":\"192.0.2.2\","
	    "\"stun_port\":40123,\"local_port\":40123,\"via\":\"%064lx\","
	    "\"since\":%ld,\"seen\":%ld,\"verified\":null}]}}\n",
	    served, served, (long)time(NULL), served, (long)time(NULL),
	    (long)time(NULL));
	served++;
	(void)evhttp_add_header(evhttp_request_get_output_headers(req),
	    "Content-Type", "application/json");
	(void)evbuffer_add(out, body, (size_t)n);
	evhttp_send_reply(req, 200, "OK", out);
	evbuffer_free(out);
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);

	if (argc != 3 ||
	    evhttp_bind_socket(http, argv[1], (unsigned short)atoi(argv[2])) !=
	        0)
		return 69;
	evhttp_set_gencb(http, on_request, NULL);
	return event_base_dispatch(base);
}
