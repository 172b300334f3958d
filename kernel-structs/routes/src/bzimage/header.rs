//! The boot header: where the compressed kernel lies.

use super::KernelError;

/// What is read of the header ("The Real-Mode Kernel Header").
#[derive(Copy, Clone, Debug)]
pub(super) struct Header {
    setup_sects: u8,
    kernel_version: u16,
    payload_offset: u32,
    payload_length: u32,
}

const SETUP_SECTS: usize = 0x1f1;
const SIGNATURE: usize = 0x202;
const PROTOCOL: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: u64 = 512;

impl Header {
    pub(super) fn parse(data: &[u8]) -> Result<Header, KernelError> {
        let short = KernelError::TooShort { length: data.len() };
        let Some(found) = bytes::<4>(data, SIGNATURE) else {
            return Err(short);
        };
        if &found != b"HdrS" {
            return Err(KernelError::NoBootHeader { found });
        }
        let (Some([setup_sects]), Some(protocol), Some(version), Some(offset), Some(length)) = (
            bytes::<1>(data, SETUP_SECTS),
            bytes(data, PROTOCOL).map(u16::from_le_bytes),
            bytes(data, KERNEL_VERSION).map(u16::from_le_bytes),
            bytes(data, PAYLOAD_OFFSET).map(u32::from_le_bytes),
            bytes(data, PAYLOAD_LENGTH).map(u32::from_le_bytes),
        ) else {
            return Err(short);
        };
        if protocol < 0x208 {
            return Err(KernelError::OldProtocol(protocol));
        }
        Ok(Header {
            // "If setup_sects is 0, the real value is 4."
            setup_sects: if setup_sects == 0 { 4 } else { setup_sects },
            kernel_version: version,
            payload_offset: offset,
            payload_length: length,
        })
    }

    /// The compressed kernel. The offset counts "from the beginning of the protected-mode code",
    /// which follows the boot sector and `setup_sects` more.
    pub(super) fn payload<'data>(&self, data: &'data [u8]) -> Result<&'data [u8], KernelError> {
        let offset = (u64::from(self.setup_sects) + 1) * SECTOR + u64::from(self.payload_offset);
        let end = offset + u64::from(self.payload_length);
        usize::try_from(offset)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(offset, end)| data.get(offset..end))
            .ok_or(KernelError::PayloadRange {
                offset,
                length: self.payload_length.into(),
                file: data.len(),
            })
    }

    /// The version string: "a pointer to a null-terminated human-readable kernel version number
    /// string, less 0x200", which may be missing.
    pub(super) fn version<'data>(&self, data: &'data [u8]) -> Option<&'data str> {
        if self.kernel_version == 0 {
            return None;
        }
        let text = data.get(usize::from(self.kernel_version) + 0x200..)?;
        let end = text.iter().take(1024).position(|byte| *byte == 0)?;
        std::str::from_utf8(text.get(..end)?).ok()
    }
}

fn bytes<const N: usize>(data: &[u8], offset: usize) -> Option<[u8; N]> {
    data.get(offset..offset + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::{DEFAULT_LIMIT, Kernel};
    use super::*;

    /// A bzImage with `payload` as its compressed kernel, one setup sector and a version.
    pub(crate) fn image(protocol: u16, payload: &[u8], length: u32) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[SETUP_SECTS] = 1;
        image[SIGNATURE..SIGNATURE + 4].copy_from_slice(b"HdrS");
        image[PROTOCOL..PROTOCOL + 2].copy_from_slice(&protocol.to_le_bytes());
        image[KERNEL_VERSION..KERNEL_VERSION + 2].copy_from_slice(&0x100u16.to_le_bytes());
        image[0x300..0x306].copy_from_slice(b"6.1.0\0");
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&16u32.to_le_bytes());
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        image.extend([0; 16]);
        image.extend(payload);
        image
    }

    fn error(data: &[u8]) -> String {
        Kernel::read(data, DEFAULT_LIMIT).unwrap_err().to_string()
    }

    #[test]
    fn the_payload_follows_the_setup_sectors() {
        let image = image(0x20f, b"payload", 7);
        let header = Header::parse(&image).unwrap();
        assert_eq!(header.payload(&image).unwrap(), b"payload");
        assert_eq!(header.version(&image), Some("6.1.0"));
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        insta::assert_snapshot!(error(b"short"), @"neither an ELF file nor a bzImage: 5 bytes are too short for a boot header");
        insta::assert_snapshot!(error(&[1; 2048]), @"neither an ELF file nor a bzImage: [01, 01, 01, 01] at byte 0x202, where HdrS should be");
        insta::assert_snapshot!(error(&image(0x207, b"", 0)), @"boot protocol 2.07: the payload is described from 2.08 (Linux 2.6.26) on");
        insta::assert_snapshot!(error(&image(0x20f, b"four", 5)), @"the payload should be 5 bytes at byte 1040; the file has 1044 bytes");
        insta::assert_snapshot!(error(&image(0x20f, b"BZh9....", 8)), @"the payload begins with [42, 5a, 68, 39, 2e, 2e, 2e, 2e]: bzip2, which is not unpacked here");
    }
}
