/* Open files whose flags, owners and locks are easily others: paths, /dev/zero, locks that another
 * process set, signals asked for by another user.
 */
#include "state.h"
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* linux/fcntl.h; F_GETOWNER_UIDS. */
#define GET_OWNER_UIDS 17

static int folder, path, link_itself, zero, lock_of_child, own_locked;
static int owned[3];
static unsigned users[3][2];
static char *private_zero, *shared_zero;

static int opened(const char *name, int flags)
{
	int fd;
	MUST(fd = open(name, flags, 0600));
	return fd;
}

static void lock(void) { MUST(flock(lock_of_child, LOCK_EX)); }

/* That the parent did not let it go. */
static void still_locked(void) { MUST(flock(lock_of_child, LOCK_EX | LOCK_NB)); }

static struct child child = { "locker", lock, still_locked, 0 };

static void own(int index, int pid, int real, int effective)
{
	int fds[2];
	MUST(pipe(fds));
	close(fds[1]);
	owned[index] = fds[0];
	become(real, effective, 0);
	MUST(fcntl(fds[0], F_SETOWN, pid));
	MUST(fcntl(fds[0], F_SETSIG, RT(2)));
	MUST(fcntl(fds[0], GET_OWNER_UIDS, users[index]));
	become(0, 0, 0);
}

static void set(void)
{
	opened("path", O_RDWR | O_CREAT);
	unlink("link");
	MUST(symlink("path", "link"));
	path = opened("path", O_PATH);
	folder = opened(".", O_PATH | O_DIRECTORY);
	link_itself = opened("link", O_PATH | O_NOFOLLOW);
	zero = opened("/dev/zero", O_RDWR | O_APPEND | O_NONBLOCK);
	private_zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	must(private_zero != MAP_FAILED, __FILE__, "a private mapping of /dev/zero");
	shared_zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
	must(shared_zero != MAP_FAILED, __FILE__, "a shared mapping of /dev/zero");
	strcpy(private_zero, "private");
	strcpy(shared_zero, "shared");
	lock_of_child = opened("locked", O_RDWR | O_CREAT);
	own_locked = opened("own", O_RDWR | O_CREAT);
	start_children(&child, 1);
	MUST(flock(own_locked, LOCK_SH));
	own(0, 1, 1234, 1234);
	own(1, getpid(), 1234, 5678);
	own(2, -getpgrp(), 0, 0);
}

/* Who holds a lock on a file, as everybody is told; 0 for nobody. */
static int holder(const char *name)
{
	struct stat stat_of;
	char line[256], key[64];
	int found = 0;
	MUST(stat(name, &stat_of));
	snprintf(key, sizeof key, ":%lu ", (unsigned long)stat_of.st_ino);
	FILE *locks = fopen("/proc/locks", "r");
	while (locks && fgets(line, sizeof line, locks))
		if (strstr(line, key) && strstr(line, "FLOCK"))
			sscanf(line, "%*s %*s %*s %*s %d", &found);
	if (locks)
		fclose(locks);
	return found;
}

static void check(void)
{
	const int large = 0100000;
	SAME("flags of a path", fcntl(path, F_GETFL), O_PATH);
	SAME("flags of the path of a folder", fcntl(folder, F_GETFL), O_PATH | O_DIRECTORY);
	SAME("flags of a link itself", fcntl(link_itself, F_GETFL), O_PATH | O_NOFOLLOW);
	SAME("flags of /dev/zero", fcntl(zero, F_GETFL), O_RDWR | O_APPEND | O_NONBLOCK | large);
	CHECK(!strcmp(private_zero, "private"), "a private mapping of /dev/zero");
	CHECK(!strcmp(shared_zero, "shared"), "a shared mapping of /dev/zero");
	SAME("holder of a lock that a child set", holder("locked"), child.pid);
	SAME("holder of a lock", holder("own"), getpid());
	const int owners[] = { 1, getpid(), -getpgrp() };
	for (int i = 0; i < COUNT(owned); i++) {
		unsigned now[2] = { -1, -1 };
		MUST(fcntl(owned[i], GET_OWNER_UIDS, now));
		SAME("real user of who asked for signals", now[0], users[i][0]);
		SAME("effective user of who asked for signals", now[1], users[i][1]);
		SAME("signal", fcntl(owned[i], F_GETSIG), RT(2));
		SAME("who gets signals", fcntl(owned[i], F_GETOWN), owners[i]);
	}
	finish_children(&child, 1);
}

const struct part opened_part = { "opened", set, check };
