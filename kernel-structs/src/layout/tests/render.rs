use super::*;
use proptest::prelude::*;

fn render(number: u32, expand: bool) -> String {
    render_type(&sample(), id(number), &RenderOptions { expand })
}

#[test]
fn a_structure_looks_as_pahole_shows_it() {
    insta::assert_snapshot!(render(9, false), @r#"
    struct task {
    	struct task *              next;                 /*     0     4 */
    	int                        stopped:1;            /*     4: 0  4 */
    	int                        level:4;              /*     4: 1  4 */

    	/* XXX 27 bits hole, try to pack */

    	char                       name[16];             /*     8    16 */
    	spinlock_t                 lock;                 /*    24     0 */
    	union {
    		struct {
    			int        low;                  /*    24     4 */
    			int        high;                 /*    28     4 */
    		};                                       /*    24     8 */
    		long long int      raw;                  /*    24     8 */
    	};                                               /*    24     8 */
    	struct queue               queues[4];            /*    32    64 */
    	enum state                 state;                /*    96     4 */

    	/* size: 104, cachelines: 2, members: 8 */
    	/* padding: 4 */
    };
    "#);
}

#[test]
fn structures_with_a_tag_are_expanded_where_asked() {
    insta::assert_snapshot!(render(15, true), @r#"
    struct queue {
    	struct head {
    		struct head *      next;                 /*     0     4 */
    		struct head *      prev;                 /*     4     4 */
    	} head;                                          /*     0     8 */
    	char                       first;                /*     8     1 */

    	/* size: 16, cachelines: 1, members: 2 */
    	/* padding: 7 */
    };
    "#);
}

#[test]
fn declarations_are_spelled_as_in_c() {
    let layout = layout(vec![
        int("int", 4, true),
        Type::Qualified {
            qualifier: Qualifier::Const,
            target: id(1),
        },
        pointer(id(2)),
        Type::Qualified {
            qualifier: Qualifier::Volatile,
            target: id(3),
        },
        Type::FunctionProto {
            returns: id(3),
            parameters: vec![("fd".into(), id(1)), (String::new(), TypeId::VOID)],
        },
        pointer(id(5)),
        array(id(6), 4),
        pointer(id(7)),
        array(id(1), 2),
        array(id(9), 3),
        typedef("handler_t", id(6)),
        pointer(TypeId::VOID),
        Type::Qualified {
            qualifier: Qualifier::TypeTag("user".into()),
            target: id(1),
        },
        pointer(id(13)),
        Type::FunctionProto {
            returns: TypeId::VOID,
            parameters: vec![],
        },
        array(id(1), 0),
    ]);
    let name = |number| layout.type_name(id(number));
    assert_eq!(name(3), "const int *");
    assert_eq!(name(4), "const int * volatile");
    assert_eq!(name(6), "const int * (*)(int, ...)");
    assert_eq!(name(7), "const int * (*[4])(int, ...)");
    assert_eq!(name(8), "const int * (*(*)[4])(int, ...)");
    assert_eq!(name(10), "int [3][2]");
    assert_eq!(name(12), "void *");
    assert_eq!(name(14), "int *");
    assert_eq!(name(15), "void (void)");
    assert_eq!(name(16), "int []");
    let typedef = render_type(&layout, id(11), &RenderOptions::default());
    assert_eq!(
        typedef,
        "typedef const int * (*handler_t)(int, ...); /* size: 4 */\n"
    );
}

#[test]
fn enumerations_and_typedefs_of_structures_are_shown_too() {
    insta::assert_snapshot!(format!("{}{}", render(13, false), render(6, false)), @r#"
    enum state {
    	RUNNING = 0,
    	STOPPED = 4,
    }; /* size: 4 */
    typedef struct {

    	/* size: 0, cachelines: 0, members: 0 */
    } spinlock_t;
    "#);
}

#[test]
fn a_rendering_is_never_beyond_measure() {
    // Functions that take twice the function before: 2^100 names if written out.
    let mut types = vec![int("int", 4, true)];
    for i in 0..100 {
        let parameters = vec![(String::new(), id(i * 2 + 1)); 2];
        types.push(Type::FunctionProto {
            returns: TypeId::VOID,
            parameters,
        });
        types.push(pointer(id(i * 2 + 2)));
    }
    let functions = layout(types);
    assert!(functions.type_name(id(201)).len() < 10_000_000);
    // Structures that contain twice the one before.
    let mut types = vec![
        int("char", 1, true),
        structure("", 1, vec![member("c", 0, id(1))]),
    ];
    for i in 0..40 {
        let half = 1u64 << i;
        let members = vec![member("a", 0, id(i + 2)), member("b", half * 8, id(i + 2))];
        types.push(structure("", half * 2, members));
    }
    let structures = layout(types);
    let text = render_type(&structures, id(42), &RenderOptions::default());
    assert!(text.len() < 100_000_000);
}

proptest! {
    #[test]
    fn every_layout_can_be_rendered(layout in any_layout(), expand: bool) {
        for (id, _) in layout.types() {
            let text = render_type(&layout, id, &RenderOptions { expand });
            prop_assert!(!text.is_empty());
        }
    }
}
