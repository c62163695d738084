// What Swift's Glibc module hides (it is built without _GNU_SOURCE) or can't import (macros), redeclared with
// the kernel's own types, and what Swift has no words for. Nothing here decides anything; a function is one system call,
// one scan or one word of memory.
#ifndef SLUICE_CLINUX_H
#define SLUICE_CLINUX_H

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
int pipe2(int descriptors[2], int flags);
ssize_t splice(int from, loff_t *from_offset, int to, loff_t *to_offset, size_t length, unsigned int flags);

#define CLINUX_SPLICE_F_MOVE 1u
#define CLINUX_SPLICE_F_NONBLOCK 2u
#define CLINUX_SPLICE_F_MORE 4u
#define CLINUX_F_SETPIPE_SZ 1031

/// The kernel keeps the first 15 bytes.
static inline void clinux_set_thread_name(const char *name) { prctl(PR_SET_NAME, name); }

/// Sleeps and timeouts of this thread end that many nanoseconds late at most (50,000 without it).
static inline void clinux_set_timer_slack(unsigned long nanoseconds) { prctl(PR_SET_TIMERSLACK, nanoseconds); }

extern __thread void *clinux_memory_of_thread;

/// A word of each thread's own, nil at first: Swift has no such variables.
static inline void *clinux_thread_memory(void) { return clinux_memory_of_thread; }
static inline void clinux_set_thread_memory(void *memory) { clinux_memory_of_thread = memory; }

#define CLINUX_SCHED_BATCH 3

/// Moves this thread to SCHED_BATCH or back to SCHED_OTHER.
static inline void clinux_set_batch(int is_batch) {
    struct sched_param none = {0};
    sched_setscheduler(0, is_batch ? CLINUX_SCHED_BATCH : SCHED_OTHER, &none);
}

/// Has the cache line of `address` fetched while other work goes on. Nothing is read: any address will do.
static inline void clinux_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

/// Bytes in the receive queue of a socket (SIOCINQ, tcp(7)); negative after an error.
static inline int clinux_queued_bytes(int socket) {
    int count = 0;
    return ioctl(socket, FIONREAD, &count) == 0 ? count : -1;
}

static inline int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/// Most descriptors in one message; the kernel's own bound is 253 (SCM_MAX_FD).
#define CLINUX_DESCRIPTORS_MAX 64

/// One sendmsg(2) with `count` descriptors as SCM_RIGHTS. Returns what sendmsg returns.
static inline ssize_t clinux_send_descriptors(
    int socket, const void *payload, size_t length, const int *descriptors, int count) {
    struct iovec part = {(void *)payload, length};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * CLINUX_DESCRIPTORS_MAX)];
    } control;
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(rights), descriptors, sizeof(int) * (size_t)count);
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// One recvmsg(2). `count` gets the number of descriptors received (at most CLINUX_DESCRIPTORS_MAX, with
/// close-on-exec); `truncated` whether payload or descriptors did not fit. Returns what recvmsg returns.
static inline ssize_t clinux_receive_descriptors(
    int socket, void *payload, size_t length, int *descriptors, int *count, int *truncated) {
    struct iovec part = {payload, length};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * CLINUX_DESCRIPTORS_MAX)];
    } control;
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    *count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *truncated = received >= 0 && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    if (received < 0) return received;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t bytes = part->cmsg_len - CMSG_LEN(0);
        *count = (int)(bytes / sizeof(int));
        memcpy(descriptors, CMSG_DATA(part), bytes);
    }
    return received;
}

#include "clinux_scan.h"

#endif
