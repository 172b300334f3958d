/* A small header in the manner of a kernel's, made for these tests. */
typedef struct {
	u64			ctx_id;
	atomic64_t		tlb_gen;
	unsigned short		flags;
	void			*vdso;
} mm_context_t;
