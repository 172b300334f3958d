/* chattr +i|-i FILE: makes a file immutable, or not; busybox has none. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	int flags, fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
		fprintf(stderr, "chattr: %s\n", argc == 3 ? strerror(errno) : "usage");
		return 1;
	}
	flags = *argv[1] == '+' ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0) {
		fprintf(stderr, "chattr: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
