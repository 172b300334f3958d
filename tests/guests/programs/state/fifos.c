/* FIFOs with contents, sizes, flags, one end or both, under one name or several. */
#include "state.h"
#include <poll.h>
#include <sys/stat.h>

static int both, reader, writer, other_writer, lonely, left, packets, path;

static int opened(const char *name, int flags)
{
	int fd;
	MUST(fd = open(name, flags));
	return fd;
}

static void make(const char *name)
{
	unlink(name);
	MUST(mkfifo(name, 0600));
}

static void set(void)
{
	int keeper;
	make("both.fifo");
	both = opened("both.fifo", O_RDWR);
	MUST(fcntl(both, F_SETPIPE_SZ, 1 << 17));
	MUST(write(both, "hello", 5));
	/* One end each, opened to wait for one another. */
	make("pair.fifo");
	keeper = opened("pair.fifo", O_RDWR);
	reader = opened("pair.fifo", O_RDONLY);
	writer = opened("pair.fifo", O_WRONLY);
	unlink("linked.fifo");
	MUST(link("pair.fifo", "linked.fifo"));
	other_writer = opened("linked.fifo", O_WRONLY | O_NONBLOCK);
	MUST(write(writer, "over ", 5));
	MUST(write(other_writer, "there", 5));
	close(keeper);
	/* Whose writers have gone, and one that never had any. */
	make("left.fifo");
	keeper = opened("left.fifo", O_RDWR);
	left = opened("left.fifo", O_RDONLY);
	MUST(write(keeper, "rest", 4));
	close(keeper);
	make("lonely.fifo");
	lonely = opened("lonely.fifo", O_RDONLY | O_NONBLOCK);
	make("packets.fifo");
	packets = opened("packets.fifo", O_RDWR | O_NONBLOCK);
	MUST(fcntl(packets, F_SETFL, O_NONBLOCK | O_DIRECT));
	MUST(write(packets, "one", 3));
	MUST(write(packets, "three", 5));
	make("path.fifo");
	path = opened("path.fifo", O_PATH);
}

static void has(const char *what, int fd, const char *text)
{
	char bytes[64] = "";
	SAME(what, read(fd, bytes, sizeof bytes - 1), strlen(text));
	CHECK(!strcmp(bytes, text), "%s: %s, not %s", what, bytes, text);
}

static void check(void)
{
	/* As F_GETFL gives it for whatever is opened by a path. */
	const int large = 0100000;
	SAME("size of a FIFO", fcntl(both, F_GETPIPE_SZ), 1 << 17);
	SAME("flags of both ends", fcntl(both, F_GETFL), O_RDWR | large);
	has("content of a FIFO", both, "hello");
	SAME("flags of a reader", fcntl(reader, F_GETFL), O_RDONLY | large);
	SAME("flags of a writer", fcntl(writer, F_GETFL), O_WRONLY | large);
	SAME("flags of a writer", fcntl(other_writer, F_GETFL), O_WRONLY | O_NONBLOCK | large);
	has("content of a FIFO of two names", reader, "over there");
	close(writer);
	MUST(write(other_writer, "more", 4));
	has("written by the other name", reader, "more");
	close(other_writer);
	has("a FIFO whose writers have gone", reader, "");
	has("what writers left", left, "rest");
	has("a FIFO whose writers had gone", left, "");
	struct pollfd poll_of = { .fd = lonely, .events = POLLIN };
	SAME("a FIFO that had no writer yet", poll(&poll_of, 1, 0), 0);
	SAME("flags of a lonely reader", fcntl(lonely, F_GETFL), O_RDONLY | O_NONBLOCK | large);
	SAME("flags of packets", fcntl(packets, F_GETFL), O_RDWR | O_NONBLOCK | O_DIRECT | large);
	has("first packet", packets, "one");
	has("second packet", packets, "three");
	CHECK(fcntl(path, F_GETFL) & O_PATH, "a path has become a FIFO");
}

const struct part fifos = { "fifos", set, check };
