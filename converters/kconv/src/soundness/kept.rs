//! Whether an image has of the files that it keeps what it says.

use kconv_image::{Contents, Escaped, PAGE_SIZE, Resource, Value};
use kconv_machine::{KEPT, KEPT_COPY, KEPT_FILE};

/// What is wrong with the files that are kept.
pub(crate) fn kept(resources: &[Resource], contents: &[Contents]) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, resource) in resources.iter().enumerate() {
        let Some(kept) = resource.get(KEPT) else {
            continue;
        };
        let path = Escaped(resource.text("path").unwrap_or_default());
        let mut found = |what: String| findings.push(format!("resource {index}, {path}: {what}"));
        if !matches!(kept, Value::Text(how) if how == KEPT_FILE || how == KEPT_COPY) {
            found(format!("`{KEPT}` is neither {KEPT_FILE} nor {KEPT_COPY}"));
        }
        let size = match resource.get("size") {
            Some(Value::Signed(size)) => u64::try_from(*size).unwrap_or(0),
            Some(Value::Unsigned(size)) => *size,
            _ => 0,
        };
        let mut contents = contents.iter();
        match contents.find(|contents| contents.resource.0 as usize == index) {
            None => found("it is kept, and the image does not have what is in it".to_owned()),
            Some(contents) => {
                let last = contents.runs.last();
                let end = last.map_or(0, |run| run.offset + run.pages * PAGE_SIZE);
                if end > size.next_multiple_of(PAGE_SIZE) {
                    found(format!("it has {size} bytes, and pages up to byte {end}"));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use kconv_image::{ContentRun, KernelAddr, ResourceId};

    #[test]
    fn what_is_kept_is_there_and_no_longer_than_its_file() {
        let resource = |kept: Option<&str>| {
            let text = |text: &str| Value::Text(text.to_owned());
            let mut attributes = vec![
                ("path".to_owned(), text("/bin/true")),
                ("size".to_owned(), Value::Signed(5000)),
            ];
            attributes.extend(kept.map(|kept| (KEPT.to_owned(), text(kept))));
            Resource {
                kind: "file".to_owned(),
                origin: KernelAddr(0),
                attributes,
            }
        };
        let contents = |pages| Contents {
            resource: ResourceId(0),
            runs: vec![ContentRun {
                offset: 0,
                pages,
                position: 0,
            }],
        };
        let said = |how, contents: &[Contents]| kept(&[resource(how)], contents).join("; ");
        for how in [KEPT_FILE, KEPT_COPY] {
            assert_eq!(said(Some(how), &[contents(2)]), "");
        }
        assert_eq!(said(None, &[]), "");
        assert_eq!(
            said(Some(KEPT_FILE), &[]),
            "resource 0, /bin/true: it is kept, and the image does not have what is in it"
        );
        assert_eq!(
            said(Some(KEPT_FILE), &[contents(3)]),
            "resource 0, /bin/true: it has 5000 bytes, and pages up to byte 12288"
        );
        assert_eq!(
            said(Some("link"), &[contents(2)]),
            "resource 0, /bin/true: `kept` is neither file nor copy"
        );
    }
}
