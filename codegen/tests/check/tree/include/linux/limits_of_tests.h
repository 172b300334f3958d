/* Where a constant of another header comes from. */
#define MAX_OF_TESTS	46
#define CAPS_OF_TESTS	(MAX_OF_TESTS / 2 + 1)
#define UNUSED_OF_TESTS	1
