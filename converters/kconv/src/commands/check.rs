//! `kconv check`

use crate::failure::Failure;
use crate::releases::Known;
use crate::style;
use crate::told::Told;
use kconv_freeze::may_freeze;
use kconv_kexec::may_load;
use kconv_machine::running_release;
use std::io::Write;

/// What was asked, and what is in the way of it.
struct Answer {
    what: &'static str,
    /// What can be, in a few words.
    can: String,
    /// What is in the way, each with what the user can do about it.
    lacking: Vec<(String, String)>,
}

impl Answer {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (error, advice) = (style::ERROR, style::ADVICE);
        let what = self.what;
        if self.lacking.is_empty() {
            return writeln!(out, "{what:<9} {}", self.can);
        }
        writeln!(out, "{what:<9} {error}no{error:#}")?;
        // What several have in common to be done is said once, below them.
        for alike in self.lacking.chunk_by(|(_, one), (_, next)| one == next) {
            for (text, _) in alike {
                writeln!(out, "          {text}")?;
            }
            let (_, remedy) = &alike[0];
            writeln!(out, "            {advice}= {remedy}{advice:#}")?;
        }
        Ok(())
    }
}

pub(crate) fn run() -> Result<(), Failure> {
    let known = Known::new()?;
    let answers = [freeze(&known), thaw(), kexec()];
    let out = &mut anstream::stdout().lock();
    let release = running_release().unwrap_or_else(|_| String::from("unknown"));
    writeln!(out, "kernel    {release}")?;
    for answer in &answers {
        answer.write(out)?;
    }
    out.flush()?;
    match answers.iter().map(|answer| answer.lacking.len()).sum() {
        0 => Ok(()),
        count => Err(Failure::Reported { count }),
    }
}

fn freeze(known: &Known) -> Answer {
    let answer = |can, lacking| Answer {
        what: "freeze",
        can,
        lacking,
    };
    let lacks = |text: String, advice: String| answer(String::new(), vec![(text, advice)]);
    match may_freeze(known.registry) {
        Ok(identified) => {
            let own = &identified.id.layout;
            match known.reached(own) {
                Ok(count) => answer(
                    format!("yes, by layout {own}, from which {count} other layouts are reached"),
                    Vec::new(),
                ),
                Err(failure) => lacks(failure.to_string(), failure.advice().unwrap_or_default()),
            }
        }
        Err(error) => lacks(error.to_string(), error.advice().to_owned()),
    }
}

fn thaw() -> Answer {
    let lacking = kconv_thaw::lacking();
    let lacking = lacking.iter().map(|obstacle| {
        let told = Told::obstacle(obstacle);
        (told.to_string(), told.advice.unwrap_or_default())
    });
    Answer {
        what: "thaw",
        can: String::from("yes"),
        lacking: lacking.collect(),
    }
}

fn kexec() -> Answer {
    let lacking = may_load().err().map(|error| {
        let advice = error.advice();
        let advice = format!("{advice}; `kconv upgrade --start reboot` does without");
        (error.to_string(), advice)
    });
    Answer {
        what: "kexec",
        can: String::from("yes"),
        lacking: lacking.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shown(answer: &Answer) -> String {
        let mut out = Vec::new();
        answer.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn what_is_in_the_way_is_told_with_what_to_do() {
        let mut answer = Answer {
            what: "thaw",
            can: String::from("yes"),
            lacking: Vec::new(),
        };
        assert_eq!(shown(&answer), "thaw      yes\n");
        let lacks = |text: &str, advice: &str| (text.to_owned(), advice.to_owned());
        answer.lacking = vec![
            lacks("a label", "run it outside"),
            lacks("a namespace", "run it in no container"),
            lacks("another one", "run it in no container"),
        ];
        assert_eq!(
            shown(&answer),
            "thaw      no\n\
             \x20         a label\n\
             \x20           = run it outside\n\
             \x20         a namespace\n\
             \x20         another one\n\
             \x20           = run it in no container\n"
        );
    }
}
