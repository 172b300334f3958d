/*
 * writer FOLDER: the only writer of FOLDER/turns, a line a turn, which it locks; every tenth turn is
 * said on the standard output as well. Each start leaves a line in FOLDER/starts, and whatever another has
 * done to the file one in FOLDER/wrong. It ends when there is FOLDER/end.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;

static void leave(const char *name, const char *format, ...)
{
	char path[256], line[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	va_list rest;
	va_start(rest, format);
	int length = vsnprintf(line, sizeof(line), format, rest);
	va_end(rest);
	int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (file < 0 || write(file, line, length) != length)
		_exit(4);
	close(file);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: writer FOLDER\n");
		return 2;
	}
	folder = argv[1];
	mkdir(folder, 0755);
	leave("starts", "%d\n", getpid());
	char path[256];
	snprintf(path, sizeof(path), "%s/turns", folder);
	int turns = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (turns < 0 || flock(turns, LOCK_EX | LOCK_NB)) {
		leave("wrong", "%d is not the only one\n", getpid());
		return 3;
	}
	struct stat now;
	fstat(turns, &now);
	off_t size = now.st_size;
	char end[256];
	snprintf(end, sizeof(end), "%s/end", folder);
	for (unsigned turn = 1; access(end, F_OK); turn++) {
		fstat(turns, &now);
		if (now.st_size != size) {
			leave("wrong", "%d: %lld bytes, and %lld are its own\n", getpid(),
			      (long long)now.st_size, (long long)size);
			return 3;
		}
		int length = dprintf(turns, "%u\n", turn);
		if (length < 0) {
			leave("wrong", "%d cannot write\n", getpid());
			return 3;
		}
		size += length;
		if (turn % 10 == 0) {
			printf("turn %u\n", turn);
			fflush(stdout);
		}
		usleep(100000);
	}
	printf("the end\n");
	return 0;
}
