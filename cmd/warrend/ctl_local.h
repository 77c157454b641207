/* SPDX-License-Identifier: ISC */
/*
 * Control requests that warrend answers itself; control.c has the table.
 */
#ifndef WARREN_CTL_LOCAL_H
#define WARREN_CTL_LOCAL_H

#include "common/ipc.h"

/*
 * Answer (a part of) request m with parts on ch.  True: go on, to children or
 * to a CTL_END of code 0; false: the end has been sent.
 */
typedef bool ctl_local(struct ipc *ch, const struct ipc_msg *m);

ctl_local ctl_status, ctl_node, ctl_charter, ctl_processes, ctl_limits, ctl_config,
    ctl_peer_add, ctl_peer_delete, ctl_reload, ctl_log, ctl_backup,
    ctl_metrics, ctl_apps, ctl_app_start, ctl_app_stop, ctl_app_restart, ctl_app_log,
    ctl_attack;

/* control.c's own bounds. */
void control_limits(struct ipc *ch, uint32_t id);

#endif
