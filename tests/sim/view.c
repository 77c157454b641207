/* SPDX-License-Identifier: ISC */
#include "tests/sim/node.h"
size_t view_size(void){return 0;}
void view_init(struct node *n, void *mem){(void)n;(void)mem;}
void view_start(struct node *n){(void)n;}
void view_message(struct node *n, unsigned link, struct ev *ev){(void)n;(void)link;(void)ev;}
void view_down(struct node *n, unsigned link){(void)n;(void)link;}
int view_accept(uint32_t node, uint32_t from, uint32_t conn){(void)node;(void)from;(void)conn;return -1;}
void view_dialled(uint32_t node, uint32_t to, uint64_t tag, uint32_t conn){(void)node;(void)to;(void)tag;(void)conn;}
void view_roots(uint64_t tick){(void)tick;}
unsigned overlay_active(const struct overlay *ov){(void)ov;return 0;}
struct mono overlay_due(const struct overlay *ov){(void)ov;return MONO_NEVER;}
struct mono overlay_tick(struct overlay *ov, struct mono now){(void)ov;(void)now;return MONO_NEVER;}
