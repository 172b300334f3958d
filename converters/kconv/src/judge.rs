//! Whether an image could be thawed: the thaw's own list, asked before a freeze reads memory, by an
//! upgrade of the kernel that it leads to, and by a preflight.

use crate::failure::Failure;
use crate::told::Told;
use kconv_codes::Code;
use kconv_freeze::{Judgement, Unjudged};
use kconv_image::Image;
use kconv_resources::{Kind, linux6};
use kconv_runtime::convert::{Converted, Job, convert_without_pages};
use kconv_runtime::error::ConvertError;
use kconv_runtime::report::Report;
use kconv_thaw::{Judged, Obstacle, ObstacleOf, ThawError};
use kernel_structs::layout::Layout;

/// A judge that keeps why it could not judge, and what it is said besides.
#[derive(Default)]
pub(crate) struct Kept {
    failure: Option<Failure>,
    /// What this machine, as it is, would lack for a thaw.
    pub(crate) lacking: Vec<Obstacle>,
    /// What the conversion says that the image was judged behind.
    pub(crate) conversion: Option<Report>,
}

impl Kept {
    /// Judges an image for the kernel that it is of, whose objects lie as `layout` says. What this machine lacks
    /// is kept, to be told; where it `is_needed`, it is in the way as well.
    pub(crate) fn of_own_kernel(
        &mut self,
        image: &Image,
        layout: &Layout,
        is_needed: bool,
    ) -> Result<Vec<Judgement>, Unjudged> {
        let judged = Judged::new(image, layout);
        if let Ok(judged) = &judged {
            self.lacking = judged.lacking_here();
        }
        let found = obstacles(judged, Judged::obstacles).map(judgements);
        let mut found = self.keep(found)?;
        if is_needed {
            let lacking = judgements(std::mem::take(&mut self.lacking)).into_iter();
            found.extend(lacking.map(|one| Judgement {
                advice: format!("{}; --anyway kills it without", one.advice),
                ..one
            }));
        }
        Ok(found)
    }

    /// Judges an image for the kernel that `job` converts it to, whose objects lie as `layout` says, on this machine.
    pub(crate) fn of_target(
        &mut self,
        image: &Image,
        job: &Job,
        layout: &Layout,
    ) -> Result<Vec<Judgement>, Unjudged> {
        let found = match converted(image, job, layout, Judged::lacking_here) {
            Ok((converted, obstacles)) => {
                self.conversion = Some(converted.report);
                Ok(judgements(obstacles))
            }
            Err(Failure::Convert(ConvertError::Refused(findings))) => Ok(findings
                .iter()
                .map(|finding| Judgement {
                    code: finding.problem.code(),
                    tasks: finding.task.iter().cloned().collect(),
                    object: finding.object.clone(),
                    field: Some(finding.field.clone()),
                    text: finding.text(),
                    advice: finding.advice().to_owned(),
                    is_unclear: false,
                })
                .collect()),
            Err(other) => Err(other),
        };
        self.keep(found)
    }

    fn keep<T>(&mut self, found: Result<T, Failure>) -> Result<T, Unjudged> {
        found.map_err(|failure| {
            self.failure = Some(failure);
            Unjudged
        })
    }

    /// Why a freeze that was judged failed: what kept the judge from judging, if that was it.
    pub(crate) fn explain(self, failure: impl Into<Failure>) -> Failure {
        self.failure.unwrap_or_else(|| failure.into())
    }
}

/// Converts an image without its pages, and asks what of the result could not be thawed, of the `machine` as well.
pub(crate) fn converted(
    image: &Image,
    job: &Job,
    layout: &Layout,
    machine: impl Fn(&Judged) -> Vec<Obstacle>,
) -> Result<(Converted, Vec<Obstacle>), Failure> {
    let (converted, made) = convert_without_pages(image, job)?;
    let obstacles = obstacles(Judged::new(&made, layout), |judged| {
        let mut all = judged.obstacles();
        all.extend(machine(judged));
        if leads_elsewhere(image, job) {
            all.extend(judged.of_another_kernel(None));
        }
        all
    });
    Ok((converted, obstacles?))
}

/// What stands in the user memory of an image, whose objects lie as `layout` says, and could not be
/// thawed on the kernel that `job` converts it to.
pub(crate) fn memory(image: &Image, job: &Job, layout: &Layout) -> Result<Vec<Obstacle>, Failure> {
    if !leads_elsewhere(image, job) {
        return Ok(Vec::new());
    }
    match Judged::new(image, layout) {
        // That is told of the image without pages.
        Err(ThawError::Decode(_)) => Ok(Vec::new()),
        judged => Ok(judged?.of_another_kernel(Some(image))),
    }
}

/// What a thaw of an image, whose objects lie as `layout` says, does not make as it was.
pub(crate) fn dropped(image: &Image, layout: &Layout) -> Result<Vec<Told>, Failure> {
    let judged = Judged::new(image, layout)?;
    let dropped = judged.dropped();
    let dropped = dropped.iter();
    Ok(dropped
        .map(|one| Told::dropped(one, |tid| judged.task(tid)))
        .collect())
}

/// Whether a conversion is to another kernel than that of the image.
fn leads_elsewhere(image: &Image, job: &Job) -> bool {
    job.target.release != image.head().identity.kernel.release
}

/// What of an image could not be thawed. What a freeze refuses anyway is not told again.
fn obstacles(
    judged: Result<Judged, ThawError>,
    ask: impl FnOnce(&Judged) -> Vec<Obstacle>,
) -> Result<Vec<Obstacle>, Failure> {
    let mut obstacles = match judged {
        Err(ThawError::Decode(error)) => vec![Obstacle {
            code: Code::ImageState,
            of: ObstacleOf::Objects,
            tasks: Vec::new(),
            resource: "the image".to_owned(),
            found: error.to_string(),
            expected: "one that can be understood".to_owned(),
            advice: "this is a fault of kconv; please report it",
        }],
        judged => ask(&judged?),
    };
    // The freeze has said why.
    let not_carried = linux6::Resource::not_carried();
    obstacles.retain(|obstacle| obstacle.resource != not_carried.kind());
    Ok(obstacles)
}

fn judgements(obstacles: Vec<Obstacle>) -> Vec<Judgement> {
    obstacles
        .into_iter()
        .map(|obstacle| Judgement {
            code: obstacle.code,
            text: obstacle.text(),
            tasks: obstacle.tasks,
            object: obstacle.resource,
            field: None,
            advice: obstacle.advice.to_owned(),
            is_unclear: obstacle.of == ObstacleOf::Objects,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kernel_structs::releases::Registry;
    use std::path::Path;

    /// What is said of every thaw is not said where there is none.
    #[test]
    fn nothing_is_dropped_by_a_thaw_of_a_family_that_is_not_thawed() {
        let image = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/images/2.4.36-i386-up.img"
        );
        let image = Image::open(Path::new(image)).unwrap();
        let registry = Registry::builtin().unwrap();
        let release = registry.release("2.4.36-up", None, None).unwrap();
        let layout = registry.layout(&release.layout).unwrap();
        let dropped = dropped(&image, &layout).unwrap();
        assert!(dropped.is_empty(), "{dropped:?}");
    }
}
