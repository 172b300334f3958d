/* robust own FILE|wait FILE [inherit]|shared FILE|cleared FILE: robust mutexes in a file, and words of it
 * that the kernel knows.
 *
 * own      makes three mutexes, of which two threads hold one each, says "ready", and lets go of them when
 *          it gets SIGUSR1. The third is nobody's.
 * wait     waits for the two, each in a thread of its own, and says what it was told.
 * inherit  makes them with priority inheritance.
 * shared   has the head of its list in the file, and a futex on it.
 * cleared  has the word there that is cleared when it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HELD 2

struct shared {
	pthread_mutex_t mutexes[HELD + 1];
	struct robust_list_head head;
	struct robust_list entry;
	uint32_t word;
};

static struct shared *shared;
static atomic_int holding;
static sigset_t signals;

static void must(int error, const char *what)
{
	if (error) {
		printf("%s: %s\n", what, strerror(error));
		exit(1);
	}
}

static struct shared *map(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR, 0600);
	must(fd < 0 ? errno : 0, path);
	must(ftruncate(fd, 4096) ? errno : 0, path);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(at == MAP_FAILED ? errno : 0, path);
	close(fd);
	return at;
}

static void make(int protocol)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	must(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), "robust");
	must(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), "shared");
	must(pthread_mutexattr_setprotocol(&attributes, protocol), "protocol");
	for (int i = 0; i <= HELD; i++)
		must(pthread_mutex_init(&shared->mutexes[i], &attributes), "mutex");
}

static void *hold(void *mutex)
{
	must(pthread_mutex_lock(mutex), "lock");
	holding++;
	int signal;
	sigwait(&signals, &signal);
	printf("unlock %d\n", pthread_mutex_unlock(mutex));
	fflush(stdout);
	return NULL;
}

static void *wait_for(void *mutex)
{
	holding++;
	int error = pthread_mutex_lock(mutex);
	printf("lock %d\n", error);
	fflush(stdout);
	return NULL;
}

static void ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	must(argc > 2 ? 0 : EINVAL, "usage");
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	shared = map(argv[2]);
	if (!strcmp(how, "shared")) {
		shared->entry.next = (struct robust_list *)&shared->head;
		shared->head.list.next = &shared->entry;
		syscall(SYS_set_robust_list, &shared->head, sizeof shared->head);
	} else if (!strcmp(how, "cleared")) {
		shared->word = 1;
		syscall(SYS_set_tid_address, &shared->word);
	} else {
		int owns = !strcmp(how, "own");
		if (owns)
			make(argc > 3 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
		pthread_t threads[HELD];
		for (int i = 0; i < HELD; i++)
			must(pthread_create(&threads[i], NULL, owns ? hold : wait_for,
					    &shared->mutexes[i]),
			     "thread");
		while (holding < HELD)
			usleep(1000);
		ready();
		for (int i = 0; i < HELD; i++)
			pthread_join(threads[i], NULL);
		printf("done\n");
		return 0;
	}
	ready();
	int signal;
	sigwait(&signals, &signal);
	return 0;
}
