//! The words of an expression.

use std::iter::Peekable;
use std::str::CharIndices;

/// Where an expression is not understood, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {message}")]
pub struct SyntaxError {
    /// Bytes before it.
    pub position: usize,
    /// What was found.
    pub message: String,
}

impl SyntaxError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> Self {
        Self { position, message: message.into() }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Text(String),
    Number(f64),
    /// Also keywords: after a dot they are names.
    Name(String),
    /// `$name`, without the `$`.
    Variable(String),
    Symbol(&'static str),
    End,
}

/// The longer ones first, so that `:=` is not read as `:`.
const SYMBOLS: [&str; 24] = [
    ":=", "!=", "<=", ">=", ".", "[", "]", "{", "}", "(", ")", ",", ":", ";", "?", "+", "-", "*", "&", "=", "<", ">",
    "%", "/",
];

/// An expression's tokens with their positions; the last is `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut found = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some(&(position, character)) = characters.peek() {
        let token = match character {
            ' ' | '\t' | '\n' | '\r' => {
                characters.next();
                continue;
            }
            '"' | '\'' => string(&mut characters)?,
            '0'..='9' => number(&mut characters, position)?,
            '$' => {
                characters.next();
                let name = word(&mut characters);
                if name.is_empty() {
                    return Err(SyntaxError::new(position, "$ without a name is not supported"));
                }
                Token::Variable(name)
            }
            _ if character.is_alphabetic() || character == '_' => Token::Name(word(&mut characters)),
            _ => symbol(&mut characters, text, position)?,
        };
        found.push((position, token));
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

fn word(characters: &mut Peekable<CharIndices<'_>>) -> String {
    let mut name = String::new();
    while let Some((_, character)) = characters.next_if(|(_, next)| next.is_alphanumeric() || *next == '_') {
        name.push(character);
    }
    name
}

fn symbol(characters: &mut Peekable<CharIndices<'_>>, text: &str, position: usize) -> Result<Token, SyntaxError> {
    let rest = &text[position..];
    // Neither is in the subset, and both begin with what is.
    if let Some(unknown) = ["..", "**"].into_iter().find(|unknown| rest.starts_with(unknown)) {
        return Err(SyntaxError::new(position, format!("{unknown} is not supported")));
    }
    let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) else {
        let unknown = rest.chars().next().unwrap_or_default();
        return Err(SyntaxError::new(position, format!("{unknown} is not supported")));
    };
    for _ in symbol.chars() {
        characters.next();
    }
    Ok(Token::Symbol(symbol))
}

/// Digits with an optional fraction; exponents are not in the subset.
fn number(characters: &mut Peekable<CharIndices<'_>>, position: usize) -> Result<Token, SyntaxError> {
    let mut digits = String::new();
    while let Some((_, character)) =
        characters.next_if(|(_, next)| next.is_ascii_alphanumeric() || matches!(next, '.' | '_'))
    {
        digits.push(character);
    }
    let plain = digits.chars().all(|character| character.is_ascii_digit() || character == '.');
    digits
        .parse()
        .ok()
        .filter(|_| plain && !digits.ends_with('.'))
        .map(Token::Number)
        .ok_or_else(|| SyntaxError::new(position, format!("{digits} is not a number that is supported")))
}

fn string(characters: &mut Peekable<CharIndices<'_>>) -> Result<Token, SyntaxError> {
    let Some((start, quote)) = characters.next() else {
        return Err(SyntaxError::new(0, "a string was expected"));
    };
    let mut text = String::new();
    while let Some((position, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok(Token::Text(text)),
            '\\' => text.push(escaped(characters, position)?),
            _ => text.push(character),
        }
    }
    Err(SyntaxError::new(start, "the string has no end"))
}

fn escaped(characters: &mut Peekable<CharIndices<'_>>, position: usize) -> Result<char, SyntaxError> {
    match characters.next().map(|(_, character)| character) {
        Some(character @ ('"' | '\'' | '\\' | '/')) => Ok(character),
        Some('b') => Ok('\u{8}'),
        Some('f') => Ok('\u{c}'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some(_) | None => Err(SyntaxError::new(position, "this escape is not supported")),
    }
}
