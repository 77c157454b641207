/* SPDX-License-Identifier: ISC */
/*
 * The address a datagram was sent to, as promised in udp_dst.h.
 */
#include "common/compat/udp_dst.h"

#include <netinet/in.h>
#include <string.h>

static int
set_on(int fd, int level, int name)
{
	const int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

int
udp_dst_ask(int fd, int fam)
{
	if (fam == AF_INET6)
		return set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
#ifdef IP_PKTINFO
	return set_on(fd, IPPROTO_IP, IP_PKTINFO);
#else
	return set_on(fd, IPPROTO_IP, IP_RECVDSTADDR);
#endif
}

/* The route decides the interface, but for addresses of one link. */
static void
answer_v6(struct msghdr *m, struct cmsghdr *cm)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(cm), sizeof(info));
	if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
		m->msg_controllen = 0;
	if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
		info.ipi6_ifindex = 0;
	memcpy(CMSG_DATA(cm), &info, sizeof(info));
}

#ifdef IP_PKTINFO
static void
answer_v4(struct cmsghdr *cm)
{
	struct in_pktinfo info;

	/* ipi_spec_dst is one of ours even where a broadcast was sent. */
	memcpy(&info, CMSG_DATA(cm), sizeof(info));
	info.ipi_ifindex = 0;
	memcpy(CMSG_DATA(cm), &info, sizeof(info));
}
#define DST_V4 IP_PKTINFO
#else
static void
answer_v4(struct cmsghdr *cm)
{
	/* IP_RECVDSTADDR is IP_SENDSRCADDR by another name. */
	(void)cm;
}
#define DST_V4 IP_RECVDSTADDR
#endif

void
udp_dst_answer(struct msghdr *m)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(m);

	if (cm == NULL)
		m->msg_controllen = 0;
	else if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == DST_V4)
		answer_v4(cm);
	else if (cm->cmsg_level == IPPROTO_IPV6 &&
	    cm->cmsg_type == IPV6_PKTINFO)
		answer_v6(m, cm);
	else
		m->msg_controllen = 0;
}
