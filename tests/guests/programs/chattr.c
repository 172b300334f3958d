/* chattr +i|-i|+a|-a FILE: makes a file immutable, or one that is only appended to, or not; busybox has none. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	int flags, flag = argc > 1 && argv[1][1] == 'a' ? FS_APPEND_FL : FS_IMMUTABLE_FL;
	int fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
		fprintf(stderr, "chattr: %s\n", argc == 3 ? strerror(errno) : "usage");
		return 1;
	}
	flags = *argv[1] == '+' ? flags | flag : flags & ~flag;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0) {
		fprintf(stderr, "chattr: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
