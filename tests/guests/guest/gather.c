/* gather PID...: all that /proc says of the processes, each file as
 *   F SIZE PATH\n  and its contents and \n,   L SIZE PATH\n  likewise for what a link leads to,
 *   E ERRNO PATH\n  for what cannot be read.
 * What threads have is read by thread alone: the process's own files give sums of it.
 * Before them, which CPUs the machine can have.
 * One program reads all of it, so that hundreds of files are one command in the guest.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char bytes[1 << 20];

static void file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t size = 0, got = fd < 0 ? -1 : 0;
	while (fd >= 0 && (got = read(fd, bytes + size, sizeof bytes - size)) > 0)
		size += got;
	if (got < 0) {
		printf("E %d %s\n", errno, path);
	} else {
		printf("F %zd %s\n", size, path);
		fwrite(bytes, 1, size, stdout);
		putchar('\n');
	}
	if (fd >= 0)
		close(fd);
}

static void link_at(const char *path)
{
	ssize_t size = readlink(path, bytes, sizeof bytes);
	if (size < 0)
		printf("E %d %s\n", errno, path);
	else
		printf("L %zd %s\n%.*s\n", size, path, (int)size, bytes);
}

static void each(const char *folder, void (*read_one)(const char *))
{
	DIR *dir = opendir(folder);
	if (!dir) {
		printf("E %d %s\n", errno, folder);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			read_one(path);
	}
	closedir(dir);
}

static void named(const char *folder, const char *const *names, void (*read_one)(const char *))
{
	char path[512];
	for (; *names; names++) {
		snprintf(path, sizeof path, "%s/%s", folder, *names);
		read_one(path);
	}
}

static void thread(const char *folder)
{
	static const char *const files[] = { "status", "stat", "comm", "syscall", "personality",
					     "children", "io", "schedstat", "loginuid",
					     "sessionid", NULL };
	named(folder, files, file);
}

int main(int argc, char **argv)
{
	static const char *const files[] = { "statm", "maps", "smaps", "limits", "timers", "cmdline",
		"auxv", "environ", "oom_score_adj", "coredump_filter", "timerslack_ns", "cgroup", NULL };
	static const char *const links[] = { "cwd", "root", "exe", NULL };
	file("/sys/devices/system/cpu/possible");
	for (int i = 1; i < argc; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%s/task", argv[i]);
		each(path, thread);
		*strrchr(path, '/') = 0;
		named(path, files, file);
		named(path, links, link_at);
		snprintf(path, sizeof path, "/proc/%s/fd", argv[i]);
		each(path, link_at);
		snprintf(path, sizeof path, "/proc/%s/fdinfo", argv[i]);
		each(path, file);
		snprintf(path, sizeof path, "/proc/%s/ns", argv[i]);
		each(path, link_at);
	}
	return fflush(stdout) ? 1 : 0;
}
