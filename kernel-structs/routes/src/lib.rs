//! Three independent routes to the [`Layout`](kernel_structs::layout::Layout) of a real kernel.
//!
//! - [`bzimage`]: the BTF inside a `vmlinuz`, with the kernel's version, build id and
//!   configuration.
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
//! | `char` as opposed to `signed char` | by name | by name | by name |
//! | size of an incomplete `enum` | no | no | no |
//! | types defined in a `.c` file | yes | yes | no |
//! | `long double` for i386 | yes | yes | no: bindgen calls it an `f64` |
//!
//! None of this is linked into `kconv`: a user's machine has the layouts ready made.
#![forbid(unsafe_code)]

pub mod bzimage;
pub mod compare;
pub mod dwarf;
pub mod headers;
