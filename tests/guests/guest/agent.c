/* The first process of a guest once it is set up: carries out what the host asks for over a
 * virtio serial port, one request at a time, and reaps whatever is orphaned.
 *
 * A frame is a letter, the length of the payload (64 bits, little endian), and the payload.
 *   R  u32 seconds, command        -> r  i32 wait status or -1 for "time is up", u64 length of
 *                                        standard output, standard output, standard error
 *   W  u32 mode, u32 n, path[n], contents  -> k, or e with a text
 *   G  path                        -> k with the contents, or e
 *   K  (nothing)                   -> k, then into the kernel that was loaded with kexec
 *   P  (nothing)                   -> k, then off
 * The agent begins with h and the release of the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int port;

/* The kernel panics when its first process ends, and the console says why. */
__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void receive(void *to, size_t size)
{
	while (size) {
		ssize_t got = read(port, to, size);
		if (got < 0 && errno != EINTR)
			die("read");
		if (got == 0) {
			/* Nobody is connected at the other end. */
			usleep(10000);
			continue;
		}
		if (got > 0) {
			to = (char *)to + got;
			size -= got;
		}
	}
}

static int write_all(int fd, const void *from, size_t size)
{
	while (size) {
		ssize_t put = write(fd, from, size);
		if (put < 0 && errno != EINTR)
			return -1;
		if (put > 0) {
			from = (const char *)from + put;
			size -= put;
		}
	}
	return 0;
}

static void send_all(const void *from, size_t size)
{
	if (write_all(port, from, size))
		die("write");
}

static void send_head(char letter, uint64_t size)
{
	char head[9] = { letter };
	memcpy(head + 1, &size, 8);
	send_all(head, sizeof head);
}

static void send_frame(char letter, const void *from, size_t size)
{
	send_head(letter, size);
	send_all(from, size);
}

static void send_error(const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	send_frame('e', text, strlen(text));
}

/* All of a file, also of one that does not know its size. */
static char *slurp(int fd, size_t *size)
{
	size_t room = 1 << 16;
	char *bytes = malloc(room);
	*size = 0;
	for (;;) {
		if (*size == room)
			bytes = realloc(bytes, room *= 2);
		if (!bytes) {
			errno = ENOMEM;
			return NULL;
		}
		ssize_t got = read(fd, bytes + *size, room - *size);
		if (got < 0) {
			int error = errno;
			free(bytes);
			errno = error;
			return NULL;
		}
		if (got == 0)
			return bytes;
		*size += got;
	}
}

static int temporary(const char *path)
{
	unlink(path);
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	return fd;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The wait status of pid, or -1 when it had to be killed. Everything else that ended is reaped; the console says
 * which signal ended it, but for that of freezes, which end much. */
static int32_t wait_for(pid_t pid, double seconds)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	double end = now() + seconds;
	int killed = 0;
	for (;;) {
		int status;
		pid_t ended;
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
			if (ended == pid)
				return killed ? -1 : status;
			if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
				fprintf(stderr, "agent: %d was ended by signal %d\n", ended, WTERMSIG(status));
		}
		double left = end - now();
		if (left <= 0 && !killed) {
			kill(-pid, SIGKILL);
			killed = 1;
		}
		if (left < 0)
			left = 1;
		struct timespec wait = { left, (left - (time_t)left) * 1e9 };
		sigtimedwait(&child, NULL, &wait);
	}
}

static void run(char *payload, size_t size)
{
	uint32_t seconds;
	memcpy(&seconds, payload, 4);
	char *command = strndup(payload + 4, size - 4);
	int out = temporary("/run/agent.out"), err = temporary("/run/agent.err");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		int null = open("/dev/null", O_RDONLY);
		dup2(null, 0);
		dup2(out, 1);
		dup2(err, 2);
		if (null > 2)
			close(null);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	free(command);
	int32_t status = wait_for(pid, seconds);
	size_t out_size, err_size;
	lseek(out, 0, SEEK_SET);
	lseek(err, 0, SEEK_SET);
	char *out_bytes = slurp(out, &out_size), *err_bytes = slurp(err, &err_size);
	if (!out_bytes || !err_bytes)
		die("output");
	uint64_t out_length = out_size;
	send_head('r', 4 + 8 + out_size + err_size);
	send_all(&status, 4);
	send_all(&out_length, 8);
	send_all(out_bytes, out_size);
	send_all(err_bytes, err_size);
	free(out_bytes);
	free(err_bytes);
	close(out);
	close(err);
}

static void put(uint64_t size)
{
	uint32_t head[2];
	char path[4096] = "", block[1 << 16];
	receive(head, sizeof head);
	if (head[1] >= sizeof path)
		die("path too long");
	receive(path, head[1]);
	size -= sizeof head + head[1];
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int error = fd < 0 ? errno : 0;
	while (size) {
		size_t part = size < sizeof block ? size : sizeof block;
		receive(block, part);
		if (!error && write_all(fd, block, part))
			error = errno;
		size -= part;
	}
	if (!error && fchmod(fd, head[0]))
		error = errno;
	if (fd >= 0 && close(fd) && !error)
		error = errno;
	if (error)
		send_error("%s: %s", path, strerror(error));
	else
		send_frame('k', NULL, 0);
}

static void get(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size;
	char *bytes = fd < 0 ? NULL : slurp(fd, &size);
	if (bytes)
		send_frame('k', bytes, size);
	else
		send_error("%s: %s", path, strerror(errno));
	free(bytes);
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin", 1);
	setenv("HOME", "/root", 1);
	/* The port appears a moment after its driver. */
	for (int try = 0; (port = open("/dev/vport0p1", O_RDWR | O_CLOEXEC)) < 0; try++) {
		if (try == 500)
			die("/dev/vport0p1");
		usleep(10000);
	}
	struct utsname name;
	uname(&name);
	send_frame('h', name.release, strlen(name.release));
	for (;;) {
		char letter;
		uint64_t size;
		receive(&letter, 1);
		receive(&size, 8);
		if (letter == 'W') {
			put(size);
			continue;
		}
		if (size > 1 << 20)
			die("request too long");
		char *payload = calloc(1, size + 1);
		receive(payload, size);
		switch (letter) {
		case 'R':
			run(payload, size);
			break;
		case 'G':
			get(payload);
			break;
		case 'K':
		case 'P':
			send_frame('k', NULL, 0);
			sync();
			reboot(letter == 'K' ? RB_KEXEC : RB_POWER_OFF);
			die("reboot");
		default:
			errno = EPROTO;
			die("request");
		}
		free(payload);
	}
}
