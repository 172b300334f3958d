//! What people call the tasks of an image: pid and comm.

use crate::table::Converter;
use kconv_image::{Image, ImageError, ObjectId};

/// What people call the tasks of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Tasks by object: pid and name, by ascending object id.
    pub(crate) tasks: Vec<(ObjectId, i32, String)>,
}

impl Names {
    /// Reads them where the layout that `chain` begins with has them.
    pub(crate) fn read(image: &Image, chain: &[&'static Converter]) -> Result<Names, ImageError> {
        let Some(label) = chain.first().and_then(|converter| converter.task) else {
            return Ok(Names::default());
        };
        let head = image.head();
        let is_task: Vec<bool> = head.types.iter().map(|name| name == label.ty).collect();
        let mut tasks = Vec::new();
        let mut bytes = Vec::new();
        for (object, id) in head.objects.iter().zip((0..).map(ObjectId)) {
            if !is_task[object.ty.0 as usize] {
                continue;
            }
            image.read_object(id, &mut bytes)?;
            let comm = label.comm as usize;
            let (Some(pid), Some(comm)) = (
                bytes
                    .get(label.pid as usize..)
                    .and_then(<[u8]>::first_chunk),
                bytes.get(comm..comm + label.comm_len as usize),
            ) else {
                continue;
            };
            let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
            let comm = String::from_utf8_lossy(comm).into_owned();
            tasks.push((id, i32::from_le_bytes(*pid), comm));
        }
        Ok(Names { tasks })
    }
}
