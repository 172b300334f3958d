//! Whether an image is to be believed, before anything of it is parsed; and the signatures of what is written.

use crate::distrust::Distrust;
use crate::failure::Failure;
use kconv_image::{Digest, Escaped, Holes, Image, ImageFile, Temporary, Verify, remove_file};
use kconv_runtime::error::ConvertError;
use kconv_thaw::Plan;
use kconv_trust::{Config, Ids, MachineKey, Signatures, Standing, Verdict, nobody_else_writes};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What an image is wanted for.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its tasks are made.
    Thaw,
    /// Another image is made of it.
    Convert,
}

/// An image that may be used.
pub(crate) struct Admitted {
    pub(crate) image: Image,
    /// Who signed it, by the fingerprints of keys that are trusted.
    pub(crate) signers: Vec<String>,
}

/// Opens an image once, holds it against what this machine trusts, and only then parses it. What is read of it later
/// is what was held against the signature.
pub(crate) fn admit(
    path: &Path,
    purpose: Purpose,
    (trust_file, holes): (bool, Holes),
    config: &Config,
) -> Result<Admitted, Failure> {
    let distrusted = |why| Failure::Distrusted {
        image: path.to_owned(),
        why: Box::new(why),
    };
    let required = match purpose {
        Purpose::Thaw => config.policy.thaw.require_signature,
        Purpose::Convert => config.policy.convert.require_signature,
    };
    let file = ImageFile::open_with(path, holes)?;
    let signatures = Signatures::beside(path)?;
    if signatures.is_empty() {
        if required {
            return Err(distrusted(Distrust::Unsigned));
        }
        if purpose == Purpose::Thaw && !trust_file {
            nobody_else_writes(file.file(), path)
                .map_err(|why| distrusted(Distrust::Elsewhere(why)))?;
        }
        return Ok(Admitted {
            image: Image::of_file(file)?,
            signers: Vec::new(),
        });
    }
    let mut passing = signatures.begin();
    let file = file.pass(&mut |bytes| passing.take(bytes))?;
    let verdicts = passing.end(config);
    let is_bad = |verdict: &Verdict| matches!(verdict.standing, Standing::Bad(_));
    let trusted = verdicts
        .iter()
        .filter(|verdict| verdict.standing == Standing::Trusted);
    let signers: Vec<String> = trusted.map(|verdict| verdict.key.clone()).collect();
    let is_enough = !signers.is_empty() || (trust_file && !required);
    if verdicts.iter().any(is_bad) || !is_enough {
        return Err(distrusted(Distrust::Signatures(verdicts)));
    }
    Ok(Admitted {
        image: Image::of_passed(file)?,
        signers,
    })
}

/// That one of those who signed may have all tasks of a plan made. Nobody need have signed.
pub(crate) fn bounds(
    image: &Path,
    signers: &[String],
    plan: &Plan,
    config: &Config,
) -> Result<(), Failure> {
    let mut refused = None;
    for signer in signers {
        let Some((uids, gids)) = config.policy.bounds(signer) else {
            return Ok(());
        };
        let tasks = outside(plan, uids, gids);
        if tasks.is_empty() {
            return Ok(());
        }
        let signer = signer.clone();
        refused.get_or_insert(Distrust::Bounds { signer, tasks });
    }
    match refused {
        None => Ok(()),
        Some(why) => Err(Failure::Distrusted {
            image: image.to_owned(),
            why: Box::new(why),
        }),
    }
}

fn shown(plan: &Plan, tid: i32) -> String {
    let name = plan.task(tid);
    format!("{} ({})", name.pid, Escaped(&name.comm))
}

/// Tasks of others than these users and groups; and those that may do more than a user, unless root is among these.
fn outside(plan: &Plan, uids: &Ids, gids: &Ids) -> Vec<String> {
    let processes = plan.processes.iter();
    let threads = processes.clone().flat_map(|process| {
        process
            .threads
            .iter()
            .map(|thread| (thread.tid, &thread.credentials))
    });
    let ended = processes.filter_map(|process| {
        let ended = process.ended.as_ref()?;
        Some((process.pid, &ended.credentials))
    });
    let mut found = Vec::new();
    for (tid, credentials) in threads.chain(ended) {
        let groups = credentials.groups.iter().chain(&credentials.supplementary);
        let capabilities = &credentials.capabilities;
        let gained = capabilities.effective
            | capabilities.permitted
            | capabilities.inheritable
            | capabilities.ambient;
        let mut uids_there = credentials.users.iter().filter(|uid| !uids.has(**uid));
        let mut gids_there = groups.filter(|gid| !gids.has(**gid));
        let what = match (uids_there.next(), gids_there.next()) {
            (Some(uid), _) => format!("of user {uid}"),
            (None, Some(gid)) => format!("of group {gid}"),
            (None, None) if gained != 0 && !uids.has(0) => {
                format!("with capabilities {gained:#x}")
            }
            _ => continue,
        };
        found.push(format!("task {} {what}", shown(plan, tid)));
    }
    found
}

/// The key with which what is written here is signed: this machine's, if there is one and it may be read by whoever
/// runs this.
pub(crate) fn own_key(config: &Config) -> Result<Option<MachineKey>, Failure> {
    match config.machine_key() {
        Err(kconv_trust::TrustError::File { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Ok(None)
        }
        other => Ok(other?),
    }
}

/// Signs an image that this program has written, or removes the signatures of what was there before. The bytes that
/// are signed are those with this digest, wherever its name leads by now.
pub(crate) fn seal(
    image: &Path,
    digest: Option<Digest>,
    key: Option<&MachineKey>,
) -> Result<Vec<PathBuf>, Failure> {
    for old in Signatures::places(image) {
        remove_file(&old).map_err(ConvertError::from)?;
    }
    match key {
        None => Ok(Vec::new()),
        // This program has just written it.
        Some(key) => sign((image, Holes::Any), image, digest, key),
    }
}

/// Signs an image, which has to be whole, and to have this digest if one is given. The signatures are named after
/// `name`.
pub(crate) fn sign(
    (path, holes): (&Path, Holes),
    name: &Path,
    digest: Option<Digest>,
    key: &MachineKey,
) -> Result<Vec<PathBuf>, Failure> {
    let mut signing = key.begin()?;
    let file = ImageFile::open_with(path, holes)?.pass(&mut |bytes| signing.take(bytes))?;
    let image = Image::of_passed(file)?;
    if let Some(error) = image.verify(Verify::Everything).into_iter().next() {
        return Err(error.into());
    }
    if digest.is_some_and(|digest| digest != image.digest()) {
        return Err(Failure::Replaced {
            image: path.to_owned(),
        });
    }
    let mut written = Vec::new();
    for (place, text) in signing.end(name)? {
        let mut file = Temporary::create(&place).map_err(ConvertError::from)?;
        let done = file
            .file
            .write_all(text.as_bytes())
            .and_then(|()| file.file.sync_all());
        done.map_err(|source| Failure::Path {
            path: place.display().to_string(),
            source,
        })?;
        file.publish().map_err(ConvertError::from)?;
        written.push(place);
    }
    Ok(written)
}

/// That nobody but root, or the caller, could have put an image where it is.
pub(crate) fn own_place(image: &Path) -> Result<(), Failure> {
    let file = ImageFile::open_with(image, Holes::Any)?;
    nobody_else_writes(file.file(), image).map_err(|why| Failure::Distrusted {
        image: image.to_owned(),
        why: Box::new(Distrust::Elsewhere(why)),
    })
}
