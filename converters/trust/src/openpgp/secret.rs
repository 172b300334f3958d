//! Private keys.

use super::armor::{Dearmored, packets};
use super::certificate::{hexadecimal, said};
use pgp::composed::{
    ArmorOptions, Deserializable, DetachedSignature, SignedPublicKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::{ed25519, eddsa_legacy};
use pgp::packet::{
    KeyFlags, PubKeyInner, PublicKey, SignatureConfig, SignatureHasher, SignatureType, Subpacket,
    SubpacketData, UserId,
};
use pgp::types::{
    EddsaLegacyPublicParams, KeyDetails, KeyVersion, PacketHeaderVersion, Password,
    PlainSecretParams, PublicParams, SecretParams, SignedUser, SigningKey, Tag, Timestamp,
};
use std::io::Write;

/// A private key that signs.
pub(crate) struct SecretKey {
    key: Box<dyn SigningKey>,
    /// What the certificate is called that it belongs to.
    name: String,
}

/// The bytes of an image pass by, to be signed.
pub(crate) struct Signing<'a> {
    key: &'a dyn SigningKey,
    hasher: SignatureHasher,
}

impl SecretKey {
    /// The key of ed25519 that comes from a seed, as gpg 2 knows those (EdDSALegacy), made at this time; and its
    /// certificate, of one user.
    pub(crate) fn generate(
        seed: [u8; 32],
        user: &str,
        now: u64,
    ) -> Result<(SecretKey, String), String> {
        let made = u32::try_from(now)
            .map_err(|_| "the clock is beyond what OpenPGP can say".to_owned())?;
        let key = of_seed(seed, made).map_err(said)?;
        let certificate = certificate(&key, user, made).map_err(said)?;
        let name = hexadecimal(&key);
        let key = Box::new(key);
        Ok((SecretKey { key, name }, certificate))
    }

    /// The key of a seed whose certificate is in these bytes: that says when it was made, which is part of its name.
    pub(crate) fn of_certificate(seed: [u8; 32], bytes: &[u8]) -> Result<SecretKey, String> {
        let bytes = whole(bytes, "PUBLIC KEY BLOCK")?;
        let certificate = SignedPublicKey::from_bytes(&bytes[..]).map_err(said)?;
        let key = of_seed(seed, certificate.created_at().as_secs()).map_err(said)?;
        let name = hexadecimal(&certificate);
        match hexadecimal(&key) == name {
            true => Ok(SecretKey {
                key: Box::new(key),
                name,
            }),
            false => {
                Err("is a certificate of another key than that which lies beside it".to_owned())
            }
        }
    }

    /// A key of any kind, as `gpg --export-secret-keys` writes it: its newest subkey that signs, or itself.
    pub(crate) fn parse(bytes: &[u8]) -> Result<SecretKey, String> {
        let bytes = whole(bytes, "PRIVATE KEY BLOCK")?;
        let found = SignedSecretKey::from_bytes(&bytes[..]).map_err(said)?;
        let name = hexadecimal(&found.primary_key);
        let signing = found.secret_subkeys.into_iter().filter(|subkey| {
            let mut signatures = subkey.signatures.iter();
            signatures.any(|signature| signature.key_flags().sign())
        });
        let newest = signing.max_by_key(|subkey| subkey.key.created_at());
        let (key, params): (Box<dyn SigningKey>, SecretParams) = match newest {
            Some(subkey) => {
                let params = subkey.key.secret_params().clone();
                (Box::new(subkey.key), params)
            }
            None => {
                let params = found.primary_key.secret_params().clone();
                (Box::new(found.primary_key), params)
            }
        };
        match params {
            SecretParams::Plain(_) => Ok(SecretKey { key, name }),
            SecretParams::Encrypted(_) => {
                Err("has a passphrase; a key that is used unattended has none".to_owned())
            }
        }
    }

    /// What gpg calls it.
    pub(crate) fn fingerprint(&self) -> String {
        self.name.clone()
    }

    /// Begins a signature that is made now.
    pub(crate) fn begin(&self, now: u64) -> Result<Signing<'_>, String> {
        let made = u32::try_from(now)
            .map_err(|_| "the clock is beyond what OpenPGP can say".to_owned())?;
        if self.key.version() != KeyVersion::V4 {
            return Err("keys of version 4 sign here; sign with another program".to_owned());
        }
        let hash = match self.key.hash_alg() {
            HashAlgorithm::Sha256 | HashAlgorithm::Sha384 => HashAlgorithm::Sha512,
            other => other,
        };
        let mut config = SignatureConfig::v4(SignatureType::Binary, self.key.algorithm(), hash);
        config.hashed_subpackets = vec![issuer(&*self.key)?, created(made)?];
        config.unhashed_subpackets = vec![issuer_id(&*self.key)?];
        Ok(Signing {
            key: &*self.key,
            hasher: config.into_hasher().map_err(said)?,
        })
    }
}

impl Signing<'_> {
    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        // A hash takes all that it is given.
        let _ = self.hasher.write_all(bytes);
    }

    /// The signature, armored.
    pub(crate) fn end(self) -> Result<String, String> {
        let signature = self
            .hasher
            .sign(self.key, &Password::empty())
            .map_err(said)?;
        let text = DetachedSignature::new(signature).to_armored_string(ArmorOptions::default());
        text.map_err(said)
    }
}

fn of_seed(seed: [u8; 32], made: u32) -> pgp::errors::Result<pgp::packet::SecretKey> {
    let secret = ed25519::SecretKey::try_from_bytes(seed, ed25519::Mode::EdDSALegacy)?;
    let public = EddsaLegacyPublicParams::from(&secret);
    let inner = PubKeyInner::new(
        KeyVersion::V4,
        PublicKeyAlgorithm::EdDSALegacy,
        Timestamp::from_secs(made),
        None,
        PublicParams::EdDSALegacy(public),
    )?;
    let secret = PlainSecretParams::EdDSALegacy(eddsa_legacy::SecretKey::Ed25519(secret));
    pgp::packet::SecretKey::new(PublicKey::from_inner(inner)?, SecretParams::Plain(secret))
}

/// The certificate of a key, which may sign and nothing else, in the name of one user.
fn certificate(key: &pgp::packet::SecretKey, user: &str, made: u32) -> pgp::errors::Result<String> {
    let public = key.public_key();
    let user = UserId::from_str(PacketHeaderVersion::New, user)?;
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut config = SignatureConfig::v4(
        SignatureType::CertPositive,
        key.algorithm(),
        HashAlgorithm::Sha512,
    );
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
            made,
        )))?,
        Subpacket::regular(SubpacketData::IsPrimary(true))?,
        Subpacket::critical(SubpacketData::KeyFlags(flags))?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(
        key.legacy_key_id(),
    ))?];
    let bound = config.sign_certification(key, public, &Password::empty(), Tag::UserId, &user)?;
    let details = pgp::composed::SignedKeyDetails::new(
        Vec::new(),
        Vec::new(),
        vec![SignedUser::new(user, vec![bound])],
        Vec::new(),
    );
    SignedPublicKey::new(public.clone(), details, Vec::new())
        .to_armored_string(ArmorOptions::default())
}

fn issuer(key: &dyn SigningKey) -> Result<Subpacket, String> {
    Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).map_err(said)
}

fn issuer_id(key: &dyn SigningKey) -> Result<Subpacket, String> {
    Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).map_err(said)
}

fn created(made: u32) -> Result<Subpacket, String> {
    let at = Timestamp::from_secs(made);
    Subpacket::regular(SubpacketData::SignatureCreationTime(at)).map_err(said)
}

fn whole(bytes: &[u8], what: &str) -> Result<Vec<u8>, String> {
    match packets(bytes, what)? {
        Dearmored::Packets(bytes) => Ok(bytes),
        Dearmored::Trailing(at) => Err(format!("something stands behind it, at byte {at}")),
    }
}
