//! Numbers and names in bindgen's expressions.

use syn::{Expr, ExprMethodCall, GenericArgument, Lit, UnOp};

/// The integer that an expression is: `4usize`, `-2`, `(3)`.
pub(super) fn integer(expression: &Expr) -> Option<i128> {
    match expression {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            integer(&unary.expr)?.checked_neg()
        }
        Expr::Paren(inner) => integer(&inner.expr),
        Expr::Group(inner) => integer(&inner.expr),
        _ => None,
    }
}

/// A length or a size.
pub(super) fn unsigned(expression: &Expr) -> Option<u64> {
    u64::try_from(integer(expression)?).ok()
}

/// Unit, offset and width of `self._bitfield_1.get_const::<3usize, 5u8>()`, or of
/// `self._bitfield_1.get(3usize, 5u8)` as bindgen wrote before 0.73.
pub(super) struct BitAccess {
    pub(super) unit: String,
    pub(super) offset: u64,
    pub(super) width: u64,
}

/// The access to a bit-field somewhere in a getter's body.
pub(super) fn bit_access(expression: &Expr) -> Option<BitAccess> {
    match expression {
        Expr::Unsafe(block) => block
            .block
            .stmts
            .iter()
            .find_map(|statement| match statement {
                syn::Stmt::Expr(inner, _) => bit_access(inner),
                _ => None,
            }),
        Expr::Call(call) => call.args.iter().find_map(bit_access),
        Expr::Cast(cast) => bit_access(&cast.expr),
        Expr::Paren(inner) => bit_access(&inner.expr),
        Expr::MethodCall(call) => method(call),
        _ => None,
    }
}

fn method(call: &ExprMethodCall) -> Option<BitAccess> {
    let Expr::Field(field) = &*call.receiver else {
        return None;
    };
    let syn::Member::Named(unit) = &field.member else {
        return None;
    };
    let numbers: Vec<u64> = match &call.turbofish {
        Some(arguments) if call.method == "get_const" => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Const(expression) => unsigned(expression),
                _ => None,
            })
            .collect(),
        None if call.method == "get" => call.args.iter().filter_map(unsigned).collect(),
        _ => return None,
    };
    let [offset, width] = numbers.as_slice() else {
        return None;
    };
    Some(BitAccess {
        unit: unit.to_string(),
        offset: *offset,
        width: *width,
    })
}
