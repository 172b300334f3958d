/* journal FILE: takes streams where the journal of systemd does, notes each as that does, and writes to FILE what is
 * said: a line for the beginning of each stream, and the messages as they are.
 * journal --service IDENTIFIER UNIT COMMAND...: runs a command with such a stream for its output, as systemd does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER "/run/systemd/journal"
#define LINES 7
#define STREAMS 16

static const struct sockaddr_un address = { AF_UNIX, FOLDER "/stdout" };

static void must(long done, const char *what)
{
	if (done < 0) {
		fprintf(stderr, "journal: %s: %s\n", what, strerror(errno));
		exit(125);
	}
}
#define MUST(call) must((long)(call), #call)

static struct stream {
	int fd, lines;
	char head[512];
} streams[STREAMS];
static FILE *out;

/* As systemd's journald notes them, but for what nobody needs. */
static void note(const struct stream *stream)
{
	char line[LINES][64] = { "" }, path[128];
	const char *at = stream->head;
	for (int i = 0; i < LINES; i++) {
		const char *end = strchr(at, '\n');
		snprintf(line[i], sizeof line[i], "%.*s", (int)(end - at), at);
		at = end + 1;
	}
	struct stat of;
	MUST(fstat(stream->fd, &of));
	snprintf(path, sizeof path, FOLDER "/streams/%lu:%lu", (long)of.st_dev, (long)of.st_ino);
	FILE *file = fopen(path, "w");
	MUST(file ? 0 : -1);
	fprintf(file, "# This is private data. Do not parse.\nPRIORITY=%s\nLEVEL_PREFIX=%s\nFORWARD_TO_SYSLOG=%s\n"
		"FORWARD_TO_KMSG=%s\nFORWARD_TO_CONSOLE=%s\nSTREAM_ID=0123456789abcdef0123456789abcdef\n",
		line[2], line[3], line[4], line[5], line[6]);
	if (*line[0])
		fprintf(file, "IDENTIFIER=%s\n", line[0]);
	if (*line[1])
		fprintf(file, "UNIT=%s\n", line[1]);
	fclose(file);
	for (int i = 0; i < LINES; i++)
		fprintf(out, "%s%c", line[i], i + 1 < LINES ? '|' : '\n');
}

static int said(struct stream *stream)
{
	char byte;
	if (read(stream->fd, &byte, 1) != 1)
		return 0;
	if (stream->lines == LINES) {
		fputc(byte, out);
		return 1;
	}
	strncat(stream->head, &byte, 1);
	stream->lines += byte == '\n';
	if (stream->lines == LINES)
		note(stream);
	return 1;
}

__attribute__((noreturn)) static void serve(const char *file)
{
	int listening;
	mkdir("/run/systemd", 0755);
	mkdir(FOLDER, 0755);
	mkdir(FOLDER "/streams", 0755);
	out = fopen(file, "w");
	MUST(out ? 0 : -1);
	setvbuf(out, NULL, _IONBF, 0);
	MUST(listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	unlink(address.sun_path);
	MUST(bind(listening, (const void *)&address, sizeof address));
	MUST(listen(listening, STREAMS));
	for (;;) {
		struct pollfd polled[1 + STREAMS] = { { listening, POLLIN, 0 } };
		for (int i = 0; i < STREAMS; i++)
			polled[1 + i] = (struct pollfd){ streams[i].fd ? streams[i].fd : -1, POLLIN, 0 };
		MUST(poll(polled, 1 + STREAMS, -1));
		for (int i = 0; i < STREAMS; i++) {
			if (polled[1 + i].revents && !said(&streams[i])) {
				close(streams[i].fd);
				memset(&streams[i], 0, sizeof streams[i]);
			}
		}
		for (int i = 0; polled[0].revents && i < STREAMS; i++) {
			if (!streams[i].fd) {
				MUST(streams[i].fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC));
				break;
			}
		}
	}
}

int main(int argc, char **argv)
{
	char head[256];
	int stream;
	if (argc == 2)
		serve(argv[1]);
	if (argc < 5 || strcmp(argv[1], "--service"))
		return 2;
	MUST(stream = socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(connect(stream, (const void *)&address, sizeof address));
	MUST(shutdown(stream, SHUT_RD));
	snprintf(head, sizeof head, "%s\n%s\n30\n1\n0\n0\n0\n", argv[2], argv[3]);
	MUST(write(stream, head, strlen(head)));
	MUST(dup2(stream, 1));
	MUST(dup2(stream, 2));
	close(stream);
	execvp(argv[4], argv + 4);
	must(-1, argv[4]);
}
