/* far: memory where only page tables of five levels reach; on SIGUSR1 it says whether that is right. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	uint64_t *place = (uint64_t *)(1UL << 52);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, signal;
	if (mmap(place, 8192, PROT_READ | PROT_WRITE, flags, -1, 0) != place) {
		perror("far: mmap");
		return 2;
	}
	for (int i = 0; i < 1024; i++)
		place[i] = i * 0x9e3779b97f4a7c15u;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (write(1, "ready\n", 6) != 6 || sigwait(&set, &signal))
		return 3;
	for (int i = 0; i < 1024; i++)
		if (place[i] != i * 0x9e3779b97f4a7c15u)
			return printf("wrong at %d\n", i), 1;
	puts("right");
	return 0;
}
