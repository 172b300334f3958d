/* A library of VERSION, most of which is not read before the program asks for it. */
__asm__(".section .rodata\n"
	".globl table\n"
	".type table, @object\n"
	".size table, 4 * 65536\n"
	".align 4\n"
	"table:\n"
	".set n, 0\n"
	".rept 65536\n"
	".long n * 40503 + " VERSION "\n"
	".set n, n + 1\n"
	".endr\n"
	".text\n");

extern const unsigned table[];

int version(void)
{
	return VERSION[0] - '0';
}

unsigned at(unsigned index)
{
	return table[index];
}
