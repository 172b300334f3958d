/* Open files of many kinds, their flags, positions, owners, locks, and pipes with contents. */
#include "state.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Where they are put: with gaps, above 64 and above 1024. */
static const struct {
	int fd, flags, cloexec;
	const char *path;
	off_t position;
} opened[] = {
	{ 10, O_RDONLY, 0, "plain", 100 },
	{ 11, O_RDWR, 1, "plain", 4097 },
	{ 20, O_WRONLY | O_APPEND, 0, "appended", 0 },
	{ 63, O_RDWR | O_NONBLOCK, 0, "plain", 1 },
	{ 64, O_RDWR | O_DSYNC, 1, "plain", 2 },
	{ 65, O_WRONLY | O_SYNC, 0, "plain", 3 },
	{ 130, O_RDONLY | O_NOATIME, 0, "plain", 4 },
	{ 131, O_RDONLY | O_DIRECTORY, 0, ".", 0 },
	{ 132, O_PATH, 1, "plain", 0 },
	{ 133, O_RDONLY, 0, "/dev/null", 0 },
	{ 134, O_RDONLY, 0, "/dev/zero", 0 },
	{ 1023, O_RDONLY, 0, "/proc/self/maps", 0 },
	{ 1024, O_RDWR, 0, "long/er/name", 5 },
	{ 1025, O_RDONLY, 1, "linked", 6 },
	{ 1500, O_RDONLY, 0, "a name with spaces\nand a line", 7 },
};
#define DUPLICATE 1501
#define BEHIND 10
/* What F_GETFL does not give back. */
#define OPENING (O_DIRECTORY | O_NOFOLLOW)
#define LARGE 0100000

static int pipes[2], packets[2], wide[2];
static char contents[5000], folder[256];
static int hinted;

/* A file by its name, from wherever the process went meanwhile. */
static int open_again(const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void write_file(const char *path, size_t size)
{
	int fd;
	MUST(fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	for (size_t at = 0; at < size; at += sizeof contents)
		MUST(write(fd, contents, sizeof contents));
	close(fd);
}

static void set(void)
{
	struct rlimit limit = { 4000, 4000 };
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	must(getcwd(folder, sizeof folder) != NULL, __FILE__, "getcwd");
	for (size_t i = 0; i < sizeof contents; i++)
		contents[i] = i * 7 + i / 256;
	mkdir("long", 0755);
	mkdir("long/er", 0755);
	write_file("plain", 20000);
	write_file("appended", 5000);
	write_file("long/er/name", 5000);
	write_file("a name with spaces\nand a line", 5000);
	unlink("linked");
	MUST(symlink("plain", "linked"));
	for (int i = 0; i < COUNT(opened); i++) {
		int fd;
		MUST(fd = open(opened[i].path, opened[i].flags));
		if (opened[i].position)
			MUST(lseek(fd, opened[i].position, SEEK_SET));
		MUST(dup3(fd, opened[i].fd, opened[i].cloexec ? O_CLOEXEC : 0));
		close(fd);
	}
	/* Two descriptors of one file share position and flags. */
	MUST(dup2(BEHIND, DUPLICATE));

	MUST(fcntl(11, F_SETOWN, getpid()));
	MUST(fcntl(11, F_SETSIG, RT(1)));
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = gettid() };
	MUST(fcntl(63, F_SETOWN_EX, &owner));
	owner = (struct f_owner_ex){ .type = F_OWNER_PGRP, .pid = getpgrp() };
	MUST(fcntl(64, F_SETOWN_EX, &owner));

	/* An error where the kernel has it with the inode alone, from 5.17 on. */
	hinted = fcntl(11, F_SET_FILE_RW_HINT, &(uint64_t){ RWH_WRITE_LIFE_LONG }) == 0;

	MUST(flock(10, LOCK_SH));
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 50 };
	MUST(fcntl(11, F_SETLK, &lock));
	lock = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1000 };
	MUST(fcntl(11, F_SETLK, &lock));
	lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 7, .l_len = 1 };
	MUST(fcntl(1024, F_OFD_SETLK, &lock));

	MUST(pipe2(pipes, O_CLOEXEC));
	MUST(write(pipes[1], contents, sizeof contents));
	MUST(fchown(pipes[0], 1000, 1001));
	MUST(fchmod(pipes[0], 0640));
	MUST(pipe2(packets, O_DIRECT | O_NONBLOCK));
	MUST(write(packets[1], "one", 3));
	MUST(write(packets[1], "three", 5));
	MUST(pipe(wide));
	MUST(fcntl(wide[0], F_SETPIPE_SZ, 1 << 18));
	/* Starts within a page of the pipe, for some of it was read. */
	char some[1234];
	MUST(write(wide[1], contents, sizeof contents));
	MUST(read(wide[0], some, sizeof some));
	/* What fcntl says as well. */
	int on = 1;
	MUST(ioctl(wide[1], FIONBIO, &on));
	MUST(ioctl(wide[1], FIOASYNC, &on));
	MUST(ioctl(wide[0], FIOCLEX));
	MUST(ioctl(pipes[0], FIONCLEX));
}

static int locked_by(int fd, int command, off_t start)
{
	/* Asked through another open file, for which the locks of this process are foreign. */
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1 };
	return fcntl(fd, command, &lock) < 0 ? -1 : lock.l_type;
}

static void check_locks(void)
{
	int other = open_again("plain");
	CHECK(flock(other, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK, "flock is gone");
	CHECK(flock(other, LOCK_SH | LOCK_NB) == 0, "a shared flock has become exclusive");
	/* Closing a file drops the process's POSIX locks on it, so it stays open. */
	SAME("POSIX lock before its range", locked_by(other, F_OFD_GETLK, 99), F_UNLCK);
	SAME("POSIX lock for writing", locked_by(other, F_OFD_GETLK, 100), F_WRLCK);
	SAME("POSIX lock for writing", locked_by(other, F_OFD_GETLK, 149), F_WRLCK);
	SAME("POSIX lock behind its range", locked_by(other, F_OFD_GETLK, 150), F_UNLCK);
	SAME("POSIX lock for reading", locked_by(other, F_OFD_GETLK, 1 << 20), F_RDLCK);
	int third = open_again("long/er/name");
	SAME("lock of an open file", locked_by(third, F_OFD_GETLK, 7), F_WRLCK);
	SAME("lock of an open file", locked_by(third, F_OFD_GETLK, 8), F_UNLCK);
	close(third);
}

static void check_pipes(void)
{
	char now[2 * sizeof contents];
	SAME("bytes in a pipe", read(pipes[0], now, sizeof now), sizeof contents);
	CHECK(!memcmp(now, contents, sizeof contents), "contents of a pipe");
	struct stat owned;
	MUST(fstat(pipes[1], &owned));
	SAME("owner of a pipe", owned.st_uid, 1000);
	SAME("group of a pipe", owned.st_gid, 1001);
	SAME("access to a pipe", owned.st_mode & 07777, 0640);
	SAME("close-on-exec of a pipe", fcntl(pipes[1], F_GETFD), FD_CLOEXEC);
	SAME("close-on-exec by ioctl", fcntl(wide[0], F_GETFD), FD_CLOEXEC);
	SAME("no close-on-exec by ioctl", fcntl(pipes[0], F_GETFD), 0);
	SAME("flags by ioctl", fcntl(wide[1], F_GETFL), O_WRONLY | O_NONBLOCK | O_ASYNC);
	SAME("first packet", read(packets[0], now, sizeof now), 3);
	CHECK(!memcmp(now, "one", 3), "contents of the first packet");
	SAME("second packet", read(packets[0], now, sizeof now), 5);
	CHECK(!memcmp(now, "three", 5), "contents of the second packet");
	SAME("an empty pipe", read(packets[0], now, sizeof now), -1);
	SAME("an empty pipe that does not block", errno, EAGAIN);
	SAME("flags of a pipe of packets", fcntl(packets[1], F_GETFL), O_WRONLY | O_DIRECT | O_NONBLOCK);
	SAME("size of a pipe", fcntl(wide[1], F_GETPIPE_SZ), 1 << 18);
	SAME("rest in a pipe", read(wide[0], now, sizeof now), sizeof contents - 1234);
	CHECK(!memcmp(now, contents + 1234, sizeof contents - 1234), "contents of the rest");
	/* Both ends are in this process alone. */
	close(wide[1]);
	SAME("a pipe without a writer", read(wide[0], now, 1), 0);
}

static void check(void)
{
	char what[64];
	for (int i = 0; i < COUNT(opened); i++) {
		int fd = opened[i].fd;
		snprintf(what, sizeof what, "descriptor %d", fd);
		int flags = fcntl(fd, F_GETFL);
		SAME(what, flags & ~(LARGE | OPENING), opened[i].flags & ~OPENING);
		SAME(what, fcntl(fd, F_GETFD), opened[i].cloexec);
		if (!(opened[i].flags & O_PATH) && opened[i].path[0] != '/')
			SAME(what, lseek(fd, 0, SEEK_CUR), opened[i].position);
	}
	/* Above what all parts together have open. */
	for (int fd = 300; fd < 320; fd++)
		SAME("a free descriptor", fcntl(fd, F_GETFD), -1);
	SAME("a free descriptor", fcntl(1499, F_GETFD), -1);
	lseek(BEHIND, 777, SEEK_SET);
	SAME("position of a duplicate", lseek(DUPLICATE, 0, SEEK_CUR), 777);
	char bytes[16];
	SAME("read from a file", read(BEHIND, bytes, sizeof bytes), sizeof bytes);
	CHECK(!memcmp(bytes, contents + 777, sizeof bytes), "bytes of a file");
	SAME("append to a file", write(20, "end", 3), 3);
	SAME("position after appending", lseek(20, 0, SEEK_CUR), 5003);

	struct f_owner_ex owner = { 0 };
	SAME("owner of a file", fcntl(11, F_GETOWN), getpid());
	SAME("signal of a file", fcntl(11, F_GETSIG), RT(1));
	MUST(fcntl(63, F_GETOWN_EX, &owner));
	SAME("owner of a file is a thread", owner.type, F_OWNER_TID);
	SAME("owner of a file is a thread", owner.pid, gettid());
	MUST(fcntl(64, F_GETOWN_EX, &owner));
	SAME("owner of a file is a group", owner.type, F_OWNER_PGRP);
	SAME("owner of a file is a group", owner.pid, getpgrp());
	uint64_t hint = 0;
	if (hinted && fcntl(11, F_GET_FILE_RW_HINT, &hint) == 0)
		SAME("how long what is written will live", hint, RWH_WRITE_LIFE_LONG);
	check_locks();
	check_pipes();
}

const struct part files = { "files", set, check };
