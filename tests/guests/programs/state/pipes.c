/* Whose pipes are: who made one can open it by /proc, and others as its mode says. And a call that wants more of one
 * than it has room for: what it has written is there once, and it says how much that is. */
#include "state.h"
#include <sys/stat.h>

static struct stat made;
static int ends[2];

static void set_owned(void)
{
	MUST(setresgid(1234, 1234, 1234));
	MUST(setresuid(1000, 1000, 1000));
	/* Or its descriptors in /proc would be root's. */
	MUST(prctl(PR_SET_DUMPABLE, 1));
	MUST(pipe(ends));
	/* Not the mode that a pipe begins with. */
	MUST(fchmod(ends[0], 0640));
	MUST(write(ends[1], "hello", 5));
	MUST(fstat(ends[0], &made));
}

static void check_owned(void)
{
	char path[32];
	struct stat now;
	MUST(fstat(ends[0], &now));
	SAME("owner of a pipe", now.st_uid, made.st_uid);
	SAME("group of a pipe", now.st_gid, made.st_gid);
	SAME("mode of a pipe", now.st_mode, made.st_mode);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", ends[i]);
		int fd = open(path, i ? O_WRONLY : O_RDONLY);
		CHECK(fd >= 0, "its own pipe cannot be opened anew: %s", strerror(errno));
		close(fd);
	}
}

static struct child children[] = {
	{ "owner", set_owned, check_owned, 0 },
};

#define MORE (1 << 20)

static int narrow[2];
static ssize_t written;

static unsigned char byte_at(int i)
{
	return i * 7 % 251;
}

static void write_more(struct worker *worker)
{
	static unsigned char bytes[MORE];
	(void)worker;
	for (int i = 0; i < MORE; i++)
		bytes[i] = byte_at(i);
	written = write(narrow[1], bytes, MORE);
}

static struct worker writer = { "writer", NULL, write_more, NULL, 0, 0, 0 };

static void set(void)
{
	MUST(pipe(narrow));
	MUST(fcntl(narrow[0], F_SETFL, O_NONBLOCK));
	start_workers(&writer, 1);
	start_children(children, COUNT(children));
}

static void check(void)
{
	finish_children(children, COUNT(children));
	/* A freeze interrupts the call, and if there was none the end of the wait does. */
	finish_workers(&writer, 1);
	int room = fcntl(narrow[0], F_GETPIPE_SZ), right = 1;
	SAME("bytes of a call that has written a part", written, room);
	unsigned char byte;
	for (int i = 0; i < room; i++)
		right &= read(narrow[0], &byte, 1) == 1 && byte == byte_at(i);
	CHECK(right, "bytes of a call that has written a part");
	SAME("what comes behind them", read(narrow[0], &byte, 1), -1);
}

/* Named: its child and its pipes change what other parts find free. */
const struct part pipes_part = { "pipes", set, check, 1 };
