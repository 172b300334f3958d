/* A program that sets every kind of state that a task has, waits, and checks all of it.
 *
 * state FOLDER [PART...]  sets the parts (by default all that can stand together), with files in FOLDER
 * and its working directory there; prints "ready PID"; waits for SIGUSR1; checks; prints one line for each
 * finding and at last "ok, N checks" or "WRONG, M of N checks". What it prints is the same whether
 * it was interrupted between "ready" and SIGUSR1 or not.
 */
#ifndef STATE_H
#define STATE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Longest time, in seconds, that lies between setting and checking. */
#define AWAY 1500

/* One check: a line with the name of the part and the text if it fails. */
#define CHECK(holds, ...) check_one(__FILE__, (holds) ? 1 : 0, __VA_ARGS__)
#define SAME(what, is, was) \
	do { \
		long long is_ = (long long)(is), was_ = (long long)(was); \
		CHECK(is_ == was_, "%s: %#llx, not %#llx", what, is_, was_); \
	} while (0)
/* Setting up has to succeed; errno tells why not. */
#define MUST(call) must((call) >= 0, __FILE__, #call)

void check_one(const char *file, int holds, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void must(int holds, const char *file, const char *call);
/* Whether a rest of a time of `whole` seconds can be one after at most AWAY seconds. */
void check_rest(const char *what, double rest, double whole);
/* The users and the effective group of this thread alone: the C library's setresuid interrupts every
 * thread, and the strict one of `threads` may not return from that.
 */
void become(uid_t real, uid_t effective, gid_t group);
/* The kernel's number of a signal that glibc leaves to programs. */
#define RT(n) (SIGRTMIN + (n))

/* A thread with state of its own. It sets, waits as `wait` does, and checks. */
struct worker {
	const char *name;
	void (*set)(struct worker *);
	/* NULL: on a futex, without a time limit. */
	void (*wait)(struct worker *);
	void (*check)(struct worker *);
	/* Filled in by start_worker. */
	pthread_t thread;
	pid_t tid;
	int ready;
};
/* Not zero once the workers check. */
extern int checking;
void start_workers(struct worker *workers, int count);
/* Interrupts and joins them. */
void finish_workers(struct worker *workers, int count);

/* A process with state of its own: checks when it gets SIGUSR1 and exits with 0 if all is well. */
struct child {
	const char *name;
	void (*set)(void);
	void (*check)(void);
	pid_t pid;
};
void start_children(struct child *children, int count);
void finish_children(struct child *children, int count);

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct part {
	const char *name;
	void (*set)(void);
	void (*check)(void);
	/* It changes the whole process, and with it what other parts find: set when it is named. */
	int named;
};
extern const struct part signals, timers, process, family, relations, files, memory, locked, all_locked,
	locked_on_fault, sleeps, scheduling,
	threads, registers, fifos, opened_part, ended_part, requests, guarded, keyed_part, shared, stops_part,
	defaults, many, pipes_part, events_part, unlinked_part, memfds_part, pairs_part;
#endif
