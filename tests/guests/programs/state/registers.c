/* Threads that spin with known values in all registers (spin.S), and a base of their own in GS. */
#include "state.h"
#include <asm/prctl.h>
#include <stddef.h>

/* spin.S knows where everything is. */
struct image {
	uint64_t general[15]; /* rax rbx rcx rdx rsi rdi rbp r8 to r15 */
	uint64_t flags;
	double x87[8];
	uint32_t mxcsr;
	uint16_t control, unused;
	uint64_t masks[8];
	uint8_t unused_too[56];
	uint8_t vectors[32 * 64];
};
_Static_assert(offsetof(struct image, x87) == 128, "x87");
_Static_assert(offsetof(struct image, mxcsr) == 192, "mxcsr");
_Static_assert(offsetof(struct image, control) == 196, "control");
_Static_assert(offsetof(struct image, masks) == 200, "masks");
_Static_assert(offsetof(struct image, vectors) == 320, "vectors");
_Static_assert(sizeof(struct image) == 320 + 32 * 64, "size");

int registers_go;
struct image registers_out[3];
void registers_sse(const struct image *), registers_avx(const struct image *),
	registers_avx512(const struct image *);

/* The bits for direction and identification, which neither comparing nor the kernel touches. */
#define FLAGS 0x200400
/* Rounding upwards and flushing to zero; all exceptions masked. */
#define MXCSR 0xdf80
/* Rounding downwards, 53 bits, all exceptions masked. */
#define CONTROL 0x067f

static struct image in[3];
static void *fs_base[3];

static void spin(int which, int vector_size, int vectors, void (*run)(const struct image *))
{
	struct image *image = &in[which];
	for (int i = 0; i < 15; i++)
		image->general[i] = 0x1111111111111111ull * (i + 1) + which;
	image->flags = FLAGS;
	for (int i = 0; i < 8; i++) {
		image->x87[i] = 1.25 * (i + 1) * (i % 2 ? -1 : 1);
		image->masks[i] = 0x8000000000000001ull + 0x10 * i;
	}
	image->mxcsr = MXCSR;
	image->control = CONTROL;
	for (int i = 0; i < vector_size * vectors; i++)
		image->vectors[i] = i * 37 + i / 256 + which;
	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x7f1234567000ul + 4096ul * which));
	fs_base[which] = __builtin_thread_pointer();
	run(image);

	const struct image *out = &registers_out[which];
	char what[64];
	for (int i = 0; i < 15; i++) {
		snprintf(what, sizeof what, "general register %d of set %d", i, which);
		SAME(what, out->general[i], image->general[i]);
	}
	SAME("flags", out->flags & FLAGS, FLAGS);
	for (int i = 0; i < 8; i++) {
		CHECK(out->x87[i] == image->x87[i], "x87 register %d: %f", i, out->x87[i]);
		if (vector_size == 64)
			SAME("mask register", out->masks[i], image->masks[i]);
	}
	SAME("MXCSR", out->mxcsr & ~0x3f, MXCSR);
	SAME("x87 control word", out->control, CONTROL);
	for (int i = 0; i < vectors; i++)
		CHECK(!memcmp(out->vectors + i * vector_size, image->vectors + i * vector_size,
			      vector_size),
		      "vector register %d of %d bytes", i, vector_size);
	unsigned long gs = 0, fs = 0;
	MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	MUST(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	SAME("base of GS", gs, 0x7f1234567000ul + 4096ul * which);
	SAME("base of FS", fs, (unsigned long)fs_base[which]);
}

static void in_sse(struct worker *w)
{
	(void)w;
	spin(0, 16, 16, registers_sse);
}

static void in_avx(struct worker *w)
{
	(void)w;
	spin(1, 32, 16, registers_avx);
}

static void in_avx512(struct worker *w)
{
	(void)w;
	spin(2, 64, 32, registers_avx512);
}

static struct worker workers[] = {
	{ .name = "sse", .wait = in_sse },
	{ .name = "avx", .wait = in_avx },
	{ .name = "avx512", .wait = in_avx512 },
};
static int count;

static void set(void)
{
	count = 1 + !!__builtin_cpu_supports("avx");
	if (count == 2 && __builtin_cpu_supports("avx512bw"))
		count = 3;
	start_workers(workers, count);
}

static void check(void)
{
	__atomic_store_n(&registers_go, 1, __ATOMIC_SEQ_CST);
	finish_workers(workers, count);
}

const struct part registers = { "registers", set, check };
