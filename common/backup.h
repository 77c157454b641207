/* SPDX-License-Identifier: ISC */
/*
 * Names in a backup: what warrend puts in, and the only ones that warrenctl
 * takes out again.  The database and bodies of blocks are the store's.
 */
#ifndef WARREN_BACKUP_H
#define WARREN_BACKUP_H

/*
 * Of the state directory: what the node has met, and what operators have
 * said.  Not the file "ports": those are reserved on one machine.
 */
#define BACKUP_STATE                                                           \
	"peers.book", "peers.anchors", "peers.added", "peers.allowed", "bans", \
	    "apps.stopped"

#endif
