/* kexec-load KERNEL INITRAMFS COMMAND-LINE: has the kernel load another one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: kexec-load KERNEL INITRAMFS COMMAND-LINE\n");
		return 2;
	}
	int kernel = open(argv[1], O_RDONLY), initramfs = open(argv[2], O_RDONLY);
	if (kernel < 0 || initramfs < 0) {
		perror(kernel < 0 ? argv[1] : argv[2]);
		return 1;
	}
	/* The length counts the terminating zero. */
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(argv[3]) + 1, argv[3], 0UL)) {
		perror("kexec_file_load");
		return 1;
	}
	return 0;
}
