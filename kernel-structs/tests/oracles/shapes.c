/* Types of every shape that a kernel has, for both machines. The comparison is between what gcc
 * says of them in debug information, turned into BTF by pahole, and what gcc makes of them.
 *
 * There are no arrays of arrays: pahole makes one array of them. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef struct { volatile u32 slock; } lock_t;
typedef struct { } empty_t;

enum level { LOW = -1, HIGH = 7 };
enum wide { SMALL = 1, BIG = 0x100000000ULL };
enum small { NO, YES } __attribute__((packed));

struct list { struct list *next, *prev; };

struct bits {
	u32 a:1, b:4, c:27;
	int sign:3;
	u8 d:7;
	u64 e:40, f:20;
	enum level level:4;
	_Bool on:1, off:1;
	u16 after;
};

struct anonymous {
	int before;
	union {
		struct {
			u16 low;
			u16 high;
		};
		u32 both;
		struct list list;
	};
	struct {
		char inner[3];
	} named[2];
	int after;
};

struct packed {
	u8 a;
	u64 b;
	u16 c;
	struct list d;
} __attribute__((packed));

struct aligned {
	u8 a;
	u64 b;
	u8 c __attribute__((aligned(32)));
	lock_t lock;
	empty_t nothing;
	long double wide;
};

struct pointers {
	int (*call)(struct pointers *, const char *, ...);
	const char *const *names;
	struct list **lists[3];
	struct unknown *unknown;
	void *restrict anything;
};

/* What pahole spells as no C compiler does. */
struct odd {
	void (*(*twice)(void))(int);
	int (*rows)[4];
	volatile long *volatile counter;
	void (*handlers[2])(int, struct odd *);
};

struct everything {
	struct bits bits;
	struct anonymous anonymous[2];
	struct packed packed;
	struct aligned aligned;
	struct pointers pointers;
	enum level level;
	enum wide wide;
	enum small small;
	_Bool flag;
	char comm[16];
	signed char sc;
	float f;
	double g;
	union {
		u64 all;
		u8 each[8];
	} value;
	struct {
		int count;
		struct list entries[];
	} tail;
};

struct everything everything;
struct odd odd;
