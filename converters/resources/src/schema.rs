//! How types are declared, so that writing, reading and the samples of the tests come of one list.

/// A structure of attributes. `field: Type = "name"` is one attribute; `field: Type = ..` are those of
/// another structure, in this place.
macro_rules! attributes {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $ty:ty = $key:tt,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        impl crate::attributes::Part for $name {
            fn read(
                from: &crate::attributes::Reader<'_>,
            ) -> Result<$name, crate::error::ResourceError> {
                Ok($name { $($field: attribute!(read $ty, $key, from),)* })
            }

            fn write(&self, to: &mut crate::attributes::Writer) {
                $(attribute!(write self.$field, $key, to);)*
            }

            #[cfg(test)]
            fn optional(names: &mut Vec<&'static str>) {
                $(attribute!(optional $ty, $key, names);)*
            }

            #[cfg(test)]
            fn sample(source: &mut crate::sample::Seed) -> $name {
                $name { $($field: attribute!(sample $ty, $key, source),)* }
            }
        }
    };
}

macro_rules! attribute {
    (read $ty:ty, .., $from:ident) => {
        <$ty as crate::attributes::Part>::read($from)?
    };
    (read $ty:ty, $key:literal, $from:ident) => {
        <$ty as crate::attributes::Field>::read($from, $key)?
    };
    (write $field:expr, .., $to:ident) => {
        crate::attributes::Part::write(&$field, $to)
    };
    (write $field:expr, $key:literal, $to:ident) => {
        crate::attributes::Field::write(&$field, $to, $key)
    };
    (optional $ty:ty, .., $names:ident) => {
        <$ty as crate::attributes::Part>::optional($names)
    };
    (optional $ty:ty, $key:literal, $names:ident) => {
        if <$ty as crate::attributes::Field>::IS_OPTIONAL {
            $names.push($key);
        }
    };
    (sample $ty:ty, .., $source:ident) => {
        <$ty as crate::attributes::Part>::sample($source)
    };
    (sample $ty:ty, $key:literal, $source:ident) => {
        <$ty as crate::attributes::Field>::sample($source)
    };
}

/// Words of which an attribute is one.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$word_meta:meta])* $word:ident = $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$word_meta])* $word,)*
        }

        impl $name {
            /// All of them.
            $vis const ALL: &'static [$name] = &[$($name::$word,)*];

            /// The word, as images have it.
            $vis const fn name(self) -> &'static str {
                match self {
                    $($name::$word => $text,)*
                }
            }
        }

        impl crate::attributes::Attribute for $name {
            fn expected() -> String {
                let words: Vec<&str> = $name::ALL.iter().map(|one| one.name()).collect();
                format!("one of {}", words.join(", "))
            }

            fn of(value: &kconv_image::Value) -> Option<$name> {
                let kconv_image::Value::Text(text) = value else {
                    return None;
                };
                $name::ALL.iter().copied().find(|one| one.name() == text)
            }

            fn value(&self) -> kconv_image::Value {
                kconv_image::Value::Text(self.name().to_owned())
            }

            #[cfg(test)]
            fn sample(source: &mut crate::sample::Seed) -> $name {
                source.one_of($name::ALL)
            }
        }
    };
}

/// The kinds of a family, each with the name that images have and its type.
macro_rules! kinds {
    (
        $(#[$meta:meta])*
        pub enum Resource {
            $($(#[$kind_meta:meta])* $kind:ident($ty:ty) = $name:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Resource {
            $($(#[$kind_meta])* $kind($ty),)*
        }

        impl crate::kind::Kind for Resource {
            const KINDS: &'static [&'static str] = &[$($name,)*];

            fn kind(&self) -> &'static str {
                match self {
                    $(Resource::$kind(_) => $name,)*
                }
            }

            fn not_carried() -> Resource {
                Resource::NotCarried(crate::values::Bare)
            }

            fn read(
                resource: &kconv_image::Resource,
            ) -> Result<Resource, crate::error::ResourceError> {
                match resource.kind.as_str() {
                    $($name => crate::kind::read(resource).map(Resource::$kind),)*
                    kind => Err(crate::error::ResourceError {
                        resource: crate::error::name_of(resource),
                        attribute: None,
                        found: format!("a resource of the kind {}", kconv_image::Escaped(kind)),
                        expected: "one that this version of kconv knows".to_owned(),
                    }),
                }
            }

            fn attributes(&self) -> Vec<(String, kconv_image::Value)> {
                match self {
                    $(Resource::$kind(one) => crate::kind::written(one),)*
                }
            }
        }

        #[cfg(test)]
        impl crate::sample::Sampled for Resource {
            fn sample(kind: &str, source: &mut crate::sample::Seed) -> Resource {
                match kind {
                    $($name => {
                        Resource::$kind(<$ty as crate::attributes::Part>::sample(source))
                    })*
                    _ => panic!("no kind is called {kind}"),
                }
            }

            fn optional(kind: &str) -> Vec<&'static str> {
                let mut names = Vec::new();
                match kind {
                    $($name => <$ty as crate::attributes::Part>::optional(&mut names),)*
                    _ => panic!("no kind is called {kind}"),
                }
                names
            }
        }
    };
}
