//! Signatures, as PROTOCOL.sshsig of OpenSSH has them.

use super::keys::{KIND, PrivateKey, PublicKey};
use super::wire::{self, Reader, armor, dearmor, printable};
use crate::{NAMESPACE, Reason};

const ARMOR: &str = "SSH SIGNATURE";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// The hash of what is signed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha512 => "sha512",
        }
    }
}

/// A signature that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshSignature {
    pub(crate) key: PublicKey,
    pub(crate) hash: Hash,
    namespace: String,
    reserved: Vec<u8>,
    signature: [u8; 64],
}

impl SshSignature {
    /// Whether it is one of an image with this hash.
    pub(crate) fn check(&self, digest: &[u8]) -> Result<(), Reason> {
        let message = message(&self.namespace, &self.reserved, self.hash, digest);
        if !self.key.verifies(&message, self.signature) {
            return Err(Reason::DoesNotFit);
        }
        match self.namespace == NAMESPACE {
            true => Ok(()),
            false => Err(Reason::Namespace {
                found: printable(self.namespace.as_bytes()),
                expected: NAMESPACE,
            }),
        }
    }
}

/// The signatures in a file, one after another: what ssh-keygen writes, as often as somebody signed.
pub(crate) fn parse_all(bytes: &[u8]) -> Vec<Result<SshSignature, Reason>> {
    let text = match std::str::from_utf8(bytes) {
        Ok("") => return vec![Err(Reason::Empty)],
        Ok(text) => text,
        Err(_) => return vec![Err(Reason::Malformed("it is no text".to_owned()))],
    };
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // After a signature comes another, or nothing.
        if !all.is_empty() && !rest.starts_with("-----BEGIN") {
            all.push(Err(Reason::Trailing(text.len() - rest.len())));
            break;
        }
        match dearmor(rest, ARMOR) {
            Ok((blob, behind)) => {
                all.push(parse(&blob));
                rest = behind;
            }
            Err(what) => {
                all.push(Err(Reason::Malformed(what)));
                break;
            }
        }
    }
    all
}

fn parse(blob: &[u8]) -> Result<SshSignature, Reason> {
    let malformed = Reason::Malformed;
    let unsupported = |what: String| Reason::Unsupported { what };
    let mut reader = Reader(blob);
    if reader.bytes(MAGIC.len()).map_err(malformed)? != MAGIC {
        return Err(malformed("it does not begin with `SSHSIG`".to_owned()));
    }
    match reader.u32().map_err(malformed)? {
        VERSION => {}
        version => return Err(unsupported(format!("version {version} of signatures"))),
    }
    let blob = reader.string().map_err(malformed)?;
    let kind = Reader(blob).string().map_err(malformed)?;
    if kind != KIND.as_bytes() {
        return Err(unsupported(format!("a key of kind {}", printable(kind))));
    }
    let key = PublicKey::from_blob(blob).map_err(malformed)?;
    let namespace = reader.string().map_err(malformed)?;
    let namespace = std::str::from_utf8(namespace)
        .map_err(|_| malformed("what it was made for is no text".to_owned()))?;
    let reserved = reader.string().map_err(malformed)?.to_vec();
    let hash = match reader.string().map_err(malformed)? {
        b"sha256" => Hash::Sha256,
        b"sha512" => Hash::Sha512,
        other => return Err(unsupported(format!("hash {}", printable(other)))),
    };
    let mut inner = Reader(reader.string().map_err(malformed)?);
    reader.end().map_err(malformed)?;
    inner
        .expect(KIND, "the kind of the signature")
        .map_err(malformed)?;
    let signature = inner.array("the signature").map_err(malformed)?;
    inner.end().map_err(malformed)?;
    Ok(SshSignature {
        key,
        hash,
        namespace: namespace.to_owned(),
        reserved,
        signature,
    })
}

/// A signature of an image with this SHA-512.
pub(crate) fn sign(key: &PrivateKey, digest: &[u8]) -> String {
    let hash = Hash::Sha512;
    let mut inner = Vec::new();
    wire::string(&mut inner, KIND.as_bytes());
    wire::string(
        &mut inner,
        &key.sign(&message(NAMESPACE, b"", hash, digest)),
    );
    let mut blob = MAGIC.to_vec();
    blob.extend(VERSION.to_be_bytes());
    for part in [
        &key.public().blob()[..],
        NAMESPACE.as_bytes(),
        b"",
        hash.name().as_bytes(),
        &inner,
    ] {
        wire::string(&mut blob, part);
    }
    armor(&blob, ARMOR)
}

/// What is signed.
fn message(namespace: &str, reserved: &[u8], hash: Hash, digest: &[u8]) -> Vec<u8> {
    let mut message = MAGIC.to_vec();
    for part in [
        namespace.as_bytes(),
        reserved,
        hash.name().as_bytes(),
        digest,
    ] {
        wire::string(&mut message, part);
    }
    message
}
