/* runaway: a process that is never there: it forks and ends, and so does its child. */
#include <unistd.h>

int main(void)
{
	for (;;)
		if (fork() > 0)
			_exit(0);
}
