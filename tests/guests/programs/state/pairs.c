/* Pairs of sockets, with what waits in them, shut, closed, and waited at. */
#include "state.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Longer than what lies in one piece of the kernel's memory. */
#define LONG 150000

static char letters[LONG], buffer[LONG + 1];
static int stream[2], datagrams[2], packets[2], shut[2], left[2], of_another[2], waited[2], full[2];
static int filled, owned[2], size_was;

static void pair(int type, int *ends)
{
	MUST(socketpair(AF_UNIX, type, 0, ends));
}

static void put(int fd, const void *bytes, size_t length)
{
	SAME("what is sent", send(fd, bytes, length, MSG_NOSIGNAL), length);
}

/* It waits while it is frozen, and says whether it was told. */
static int wait_for_it(void)
{
	char text[16] = "";
	close(waited[0]);
	if (read(waited[1], text, sizeof text) != 4 || strcmp(text, "told"))
		return 1;
	return write(waited[1], "answer", 6) != 6;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t length = sizeof value;
	MUST(getsockopt(fd, SOL_SOCKET, name, &value, &length));
	return value;
}

static pid_t waiting;

static void set(void)
{
	for (int i = 0; i < LONG; i++)
		letters[i] = 'a' + i % 23;
	pair(SOCK_STREAM | SOCK_CLOEXEC, stream);
	int size = 400000;
	MUST(setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
	size_was = option(stream[0], SO_SNDBUF);
	put(stream[0], letters, LONG);
	put(stream[0], "end", 3);
	SAME("a part", read(stream[1], buffer, 1000), 1000);
	put(stream[1], "back", 4);
	MUST(fcntl(stream[1], F_SETFL, O_NONBLOCK));
	pair(SOCK_DGRAM, datagrams);
	MUST(setsockopt(datagrams[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
	put(datagrams[0], "one", 3);
	put(datagrams[0], "", 0);
	put(datagrams[0], letters, LONG);
	pair(SOCK_SEQPACKET, packets);
	put(packets[1], "first", 5);
	put(packets[1], "second", 6);
	pair(SOCK_STREAM, shut);
	put(shut[0], "last", 4);
	MUST(shutdown(shut[0], SHUT_WR));
	pair(SOCK_STREAM, left);
	put(left[1], "left", 4);
	close(left[1]);
	become(0, 1234, 5678);
	pair(SOCK_STREAM, of_another);
	become(0, 0, 0);
	pair(SOCK_STREAM, owned);
	MUST(fchown(owned[0], 77, 78));
	MUST(fchmod(owned[0], 0640));
	/* Until it takes no more. */
	pair(SOCK_SEQPACKET, full);
	MUST(fcntl(full[0], F_SETFL, O_NONBLOCK));
	while (send(full[0], letters, 1000, MSG_NOSIGNAL) > 0)
		filled++;
	pair(SOCK_STREAM, waited);
	waiting = fork();
	MUST(waiting);
	if (waiting == 0)
		_exit(wait_for_it());
	close(waited[1]);
}

static void has(const char *what, int fd, const char *bytes, int length)
{
	SAME(what, recv(fd, buffer, sizeof buffer, MSG_DONTWAIT), length);
	CHECK(!memcmp(buffer, bytes, length), "%s: %.10s", what, buffer);
}

static int events(int fd)
{
	struct pollfd poller = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	MUST(poll(&poller, 1, 0));
	return poller.revents;
}

static void check(void)
{
	struct stat is;
	for (int got = 0; got < LONG - 1000 + 3;) {
		int length = recv(stream[1], buffer + got, sizeof buffer - got, 0);
		MUST(length);
		got += length;
		if (got == LONG - 1000 + 3)
			CHECK(!memcmp(buffer, letters + 1000, LONG - 1000) && !memcmp(buffer + got - 3, "end", 3), "a stream");
		CHECK(got <= LONG - 1000 + 3, "length of a stream: %d", got);
	}
	SAME("the end of what waited", recv(stream[1], buffer, 1, 0), -1);
	SAME("how it does not wait", errno, EAGAIN);
	has("what was sent back", stream[0], "back", 4);
	SAME("size", option(stream[0], SO_SNDBUF), size_was);
	SAME("size of the other", option(stream[1], SO_SNDBUF), option(shut[0], SO_SNDBUF));
	SAME("room", option(stream[0], SO_RCVBUF), option(shut[0], SO_RCVBUF));
	SAME("type", option(stream[0], SO_TYPE), SOCK_STREAM);
	SAME("type", option(packets[0], SO_TYPE), SOCK_SEQPACKET);
	SAME("close on exec", fcntl(stream[0], F_GETFD), FD_CLOEXEC);
	has("a datagram", datagrams[1], "one", 3);
	has("an empty datagram", datagrams[1], "", 0);
	has("a long datagram", datagrams[1], letters, LONG);
	put(datagrams[1], "on", 2);
	has("a datagram sent now", datagrams[0], "on", 2);
	has("a packet", packets[0], "first", 5);
	has("a packet", packets[0], "second", 6);
	SAME("one that is shut", events(shut[1]) & (POLLIN | POLLRDHUP | POLLOUT), POLLIN | POLLRDHUP | POLLOUT);
	has("what was sent before", shut[1], "last", 4);
	has("the end", shut[1], "", 0);
	put(shut[1], "answer", 6);
	has("what is sent the other way", shut[0], "answer", 6);
	SAME("a way that is shut", send(shut[0], "x", 1, MSG_NOSIGNAL) < 0 ? errno : 0, EPIPE);
	SAME("one whose other is closed", events(left[0]) & POLLHUP, POLLHUP);
	has("what was left", left[0], "left", 4);
	has("the end", left[0], "", 0);
	SAME("to nobody", send(left[0], "x", 1, MSG_NOSIGNAL) < 0 ? errno : 0, EPIPE);
	struct ucred maker;
	socklen_t length = sizeof maker;
	MUST(getsockopt(of_another[0], SOL_SOCKET, SO_PEERCRED, &maker, &length));
	SAME("user of who made it", maker.uid, 1234);
	SAME("group of who made it", maker.gid, 5678);
	MUST(fstat(owned[0], &is));
	SAME("owner", is.st_uid, 77);
	SAME("group", is.st_gid, 78);
	SAME("access", is.st_mode & 07777, 0640);
	SAME("no room", send(full[0], letters, 1000, MSG_NOSIGNAL) < 0 ? errno : 0, EAGAIN);
	for (int i = 0; i < filled; i++)
		has("one of many", full[1], letters, 1000);
	SAME("no more", recv(full[1], buffer, 1, MSG_DONTWAIT) < 0 ? errno : 0, EAGAIN);
	put(full[0], "room", 4);
	int status;
	put(waited[0], "told", 4);
	MUST(waitpid(waiting, &status, 0));
	SAME("a child", status, 0);
	has("an answer", waited[0], "answer", 6);
}

const struct part pairs_part = { "pairs", set, check, 0 };
