//! Three independent routes to the [`Layout`](kernel_structs::layout::Layout) of a real kernel.
//!
//! - [`bzimage`]: the BTF inside a `vmlinuz`, with the kernel's version, build id and
//!   configuration.
//! - [`package`]: the `vmlinuz` and its configuration inside a Debian package.
//! - [`dwarf`]: the debug information of a vmlinux, a module or an object file.
//! - [`headers`]: a configured header tree, through bindgen.
//! - [`compare`]: where two layouts disagree.
//!
//! The routes share no code but the model, so that one can be held against another. What a route
//! cannot know is listed here, and [`compare::Knowledge`] leaves it out of a comparison:
//!
//! | | BTF | DWARF | headers |
//! |---|---|---|---|
//! | `volatile`, `restrict` | yes | yes | no: bindgen drops them |
//! | `const` | yes | yes | of a pointer's target only |
//! | type tags (`__user`, `__rcu`) | if the compiler knew them | no | no |
//! | bit-field offset | yes | yes | computed by bindgen, with no assertion of clang's behind it |
//! | offset of an anonymous member | yes | yes | recomputed here, bounded by its neighbours and the size |
//! | `enum` of a member | yes | yes | yes (bindgen's "newtype" enumerations keep it) |
//! | dimensions of an array of arrays | no: pahole makes `a[6]` of `a[3][2]` | yes | yes |
//! | `char` as opposed to `signed char` | by name | by name | by name |
//! | whether `char` is signed | yes | yes | from the flag `-funsigned-char` (Linux 6.2 on) |
//! | types defined in a `.c` file, or in a header that is not installed | yes | yes | no |
//! | `long double` for i386 | yes | yes | no: bindgen calls it an `f64` |
//!
//! For Debian's 6.1.170 and 6.12.117, every saved type is in an installed header,
//! none has a doubt, and all routes give the same fingerprint. Types beyond those that the header
//! route cannot reach include `struct mount` and `struct mnt_namespace` (`fs/mount.h`), and
//! `struct rq` (`kernel/sched/sched.h`).
//!
//! None of this is linked into `kconv`: a user's machine has the layouts ready made.
#![forbid(unsafe_code)]

pub mod bzimage;
pub mod compare;
pub mod dwarf;
pub mod headers;
pub mod package;
