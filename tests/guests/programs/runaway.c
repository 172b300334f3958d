/* runaway: a process that is never there: it says "ready", forks and ends, and so does its child. */
#include <unistd.h>

int main(void)
{
	if (write(1, "ready\n", 6) != 6)
		return 1;
	for (;;)
		if (fork() > 0)
			_exit(0);
}
