//! Where the state of an image comes from.

use crate::attributes::{Part, Reader};
use crate::error::ResourceError;
use crate::kind::written;
use kconv_image::Value;

words! {
    /// What a freeze read.
    pub enum ReadFrom {
        /// The memory of the kernel that ran it.
        RunningKernel = "running kernel",
        /// A dump of all memory of a machine.
        MachineDump = "dump of a machine",
    }
}

attributes! {
    /// Where the state comes from, and what its keeper noted of the machine: what stands last among the facts of
    /// an image, of whatever family.
    #[derive(Default)]
    pub struct Source {
        /// What was read. `None` if it was a dump of objects, which says other things.
        read: Option<ReadFrom> = "source",
        /// What the CPU calls itself, if a dump of objects notes it.
        cpu_model: Option<String> = "cpu-model",
        /// How many bytes of memory the machine had, if a dump of objects notes it.
        memory: Option<u64> = "memory-bytes",
        /// Lines of the kernel's configuration that tell how its structures lie. `None` if it was no dump of objects.
        configuration: Option<Vec<String>> = "kernel-config",
    }
}

impl Source {
    /// What was read, and nothing else.
    pub fn read_from(read: ReadFrom) -> Source {
        Source {
            read: Some(read),
            ..Source::default()
        }
    }

    /// Reads it out of the facts of an image, among which there are others.
    ///
    /// # Errors
    /// If one is not what it should be.
    pub fn read(facts: &[(String, Value)]) -> Result<Source, ResourceError> {
        Part::read(&Reader::named("the source of the image".to_owned(), facts))
    }

    /// The facts.
    pub fn facts(&self) -> Vec<(String, Value)> {
        written(self)
    }
}
