//! The tree of an expression. Functions, locals and the number of arguments are checked here, so that nothing is found
//! unknown only when it runs.

use serde_json::Value;

use super::functions::Builtin;
use super::token::{SyntaxError, Token, tokens};
use super::value::number;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Literal(Value),
    Variable(String),
    Path {
        start: Start,
        steps: Vec<Step>,
    },
    /// `base[filter]` of what is no path.
    Filtered {
        base: Box<Node>,
        filters: Vec<Node>,
    },
    Array(Vec<Node>),
    Object(Vec<(Node, Node)>),
    Block(Vec<Node>),
    /// A value for the rest of the block.
    Bind {
        name: String,
        value: Box<Node>,
    },
    /// A function for the rest of the block.
    Define {
        name: String,
        parameters: Vec<String>,
        body: Box<Node>,
    },
    Call {
        function: Builtin,
        arguments: Vec<Node>,
    },
    /// Of a function that the expression defines itself.
    CallDefined {
        name: String,
        arguments: Vec<Node>,
    },
    Conditional {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// The item that a filter looks at.
    Context,
    Node(Box<Node>),
}

/// One `.name[filter]…` of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) filters: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Concatenate,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    And,
    Or,
}

/// How strongly an operator binds, as the reference implementation ranks them.
const CONDITIONAL_RANK: u8 = 20;

impl Operator {
    fn of(token: &Token) -> Option<(Self, u8)> {
        let word = match token {
            Token::Symbol(symbol) => symbol,
            Token::Name(name) => name.as_str(),
            Token::Text(_) | Token::Number(_) | Token::Variable(_) | Token::End => return None,
        };
        Some(match word {
            "*" => (Self::Multiply, 60),
            "+" => (Self::Add, 50),
            "-" => (Self::Subtract, 50),
            "&" => (Self::Concatenate, 50),
            "=" => (Self::Equal, 40),
            "!=" => (Self::NotEqual, 40),
            "<" => (Self::Less, 40),
            "<=" => (Self::LessOrEqual, 40),
            ">" => (Self::Greater, 40),
            ">=" => (Self::GreaterOrEqual, 40),
            "in" => (Self::In, 40),
            "and" => (Self::And, 30),
            "or" => (Self::Or, 25),
            _ => return None,
        })
    }
}

pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) paths: Vec<Vec<String>>,
}

pub(super) fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    let mut parser =
        Parser { tokens: tokens(text)?, next: 0, depth: 0, locals: Vec::new(), in_filter: false, paths: Vec::new() };
    let root = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(Parsed { root, paths: parser.paths }),
        other => Err(parser.error(format!("{} is not supported here", shown(other)))),
    }
}

/// How deeply an expression may be nested: the evaluation recurses.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Local {
    Value,
    Function { parameters: usize },
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    /// What the blocks and functions around bind, the newest last.
    locals: Vec<(String, Local)>,
    /// Names stand alone only where there is an item to look at.
    in_filter: bool,
    paths: Vec<Vec<String>>,
}

impl Parser {
    /// An expression whose operators bind more strongly than `rank`.
    fn expression(&mut self, rank: u8) -> Result<Node, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} levels are not supported")));
        }
        let mut left = self.postfixed()?;
        loop {
            if let Some((operator, of_operator)) = Operator::of(self.peek())
                && of_operator > rank
            {
                self.advance();
                let right = self.expression(of_operator)?;
                left = Node::Binary { operator, left: Box::new(left), right: Box::new(right) };
            } else if CONDITIONAL_RANK > rank && self.accept("?") {
                let then = self.expression(0)?;
                self.expect(":")?;
                let otherwise = self.expression(0)?;
                left = Node::Conditional {
                    condition: Box::new(left),
                    then: Box::new(then),
                    otherwise: Box::new(otherwise),
                };
            } else {
                self.depth -= 1;
                return Ok(left);
            }
        }
    }

    /// A value with the fields and filters behind it.
    fn postfixed(&mut self) -> Result<Node, SyntaxError> {
        let mut node = self.primary()?;
        loop {
            if self.accept(".") {
                let step = Step { name: self.field_name()?, filters: Vec::new() };
                node = match node {
                    Node::Path { start, mut steps } => {
                        steps.push(step);
                        Node::Path { start, steps }
                    }
                    start => Node::Path { start: Start::Node(Box::new(start)), steps: vec![step] },
                };
            } else if self.accept("[") {
                let filter = self.filter()?;
                node = with_filter(node, filter);
            } else {
                self.note_path(&node);
                return Ok(node);
            }
        }
    }

    fn filter(&mut self) -> Result<Node, SyntaxError> {
        let outside = std::mem::replace(&mut self.in_filter, true);
        let filter = self.expression(0)?;
        self.in_filter = outside;
        self.expect("]")?;
        Ok(filter)
    }

    fn primary(&mut self) -> Result<Node, SyntaxError> {
        let position = self.position();
        match self.advance() {
            Token::Text(text) => Ok(Node::Literal(Value::String(text))),
            Token::Number(digits) => Ok(Node::Literal(number(digits))),
            Token::Variable(name) if self.accept("(") => self.call(name, position),
            Token::Variable(name) => self.variable(name, position),
            Token::Name(name) => match name.as_str() {
                "true" => Ok(Node::Literal(Value::Bool(true))),
                "false" => Ok(Node::Literal(Value::Bool(false))),
                "null" => Ok(Node::Literal(Value::Null)),
                "and" | "or" | "in" | "function" => {
                    Err(SyntaxError::new(position, format!("{name} is not supported here")))
                }
                _ if self.in_filter => {
                    Ok(Node::Path { start: Start::Context, steps: vec![Step { name, filters: Vec::new() }] })
                }
                _ => Err(SyntaxError::new(position, format!("{name}: there is nothing that could have this field"))),
            },
            Token::Symbol("(") => self.block(),
            Token::Symbol("[") => Ok(Node::Array(self.list("]")?)),
            Token::Symbol("{") => self.object(),
            other @ (Token::Symbol(_) | Token::End) => {
                Err(SyntaxError::new(position, format!("{} is not supported here", shown(&other))))
            }
        }
    }

    fn variable(&mut self, name: String, position: usize) -> Result<Node, SyntaxError> {
        match self.local(&name) {
            Some(Local::Function { .. }) => {
                Err(SyntaxError::new(position, format!("${name}: a function as a value is not supported")))
            }
            Some(Local::Value) | None => Ok(Node::Variable(name)),
        }
    }

    fn call(&mut self, name: String, position: usize) -> Result<Node, SyntaxError> {
        let defined = self.local(&name);
        let arguments = self.list(")")?;
        let count = arguments.len();
        match defined {
            None => {}
            Some(Local::Value) => return Err(SyntaxError::new(position, format!("${name} is no function"))),
            Some(Local::Function { parameters }) if parameters == count => {
                return Ok(Node::CallDefined { name, arguments });
            }
            Some(Local::Function { parameters }) => {
                let message = format!("${name} takes {parameters} arguments, not {count}");
                return Err(SyntaxError::new(position, message));
            }
        }
        let Some(function) = Builtin::named(&name) else {
            return Err(SyntaxError::new(position, format!("${name}: this function is not supported")));
        };
        if !function.takes().contains(&count) {
            return Err(SyntaxError::new(position, format!("${name} with {count} arguments is not supported")));
        }
        Ok(Node::Call { function, arguments })
    }

    /// The statements of a block, whose value is the last one's. What they bind is known to those that follow.
    fn block(&mut self) -> Result<Node, SyntaxError> {
        let outside = self.locals.len();
        let mut statements = Vec::new();
        loop {
            statements.push(self.statement()?);
            if self.accept(")") {
                break;
            }
            self.expect(";")?;
        }
        self.locals.truncate(outside);
        match statements.last() {
            Some(Node::Bind { .. } | Node::Define { .. }) => {
                Err(self.error("a block that ends with := is not supported"))
            }
            _ => Ok(Node::Block(statements)),
        }
    }

    fn statement(&mut self) -> Result<Node, SyntaxError> {
        let (Token::Variable(name), Token::Symbol(":=")) = (self.peek(), self.peek_second()) else {
            return self.expression(0);
        };
        let name = name.clone();
        if self.local(&name).is_some() || Builtin::named(&name).is_some() || name == "states" {
            return Err(self.error(format!("${name} has a meaning already: to bind it anew is not supported")));
        }
        self.advance();
        self.advance();
        if *self.peek() != Token::Name("function".to_owned()) {
            let value = Box::new(self.expression(0)?);
            self.locals.push((name.clone(), Local::Value));
            return Ok(Node::Bind { name, value });
        }
        self.advance();
        let (parameters, body) = self.function()?;
        self.locals.push((name.clone(), Local::Function { parameters: parameters.len() }));
        Ok(Node::Define { name, parameters, body: Box::new(body) })
    }

    fn function(&mut self) -> Result<(Vec<String>, Node), SyntaxError> {
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.accept(")") {
            if !parameters.is_empty() {
                self.expect(",")?;
            }
            let position = self.position();
            match self.advance() {
                Token::Variable(name) => parameters.push(name),
                other => return Err(SyntaxError::new(position, format!("{} is no parameter", shown(&other)))),
            }
        }
        self.expect("{")?;
        let outside = self.locals.len();
        self.locals.extend(parameters.iter().map(|name| (name.clone(), Local::Value)));
        let body = self.expression(0)?;
        self.locals.truncate(outside);
        self.expect("}")?;
        Ok((parameters, body))
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        while !self.accept(end) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.expression(0)?);
        }
        Ok(items)
    }

    fn object(&mut self) -> Result<Node, SyntaxError> {
        let mut fields = Vec::new();
        while !self.accept("}") {
            if !fields.is_empty() {
                self.expect(",")?;
            }
            let key = self.expression(0)?;
            self.expect(":")?;
            fields.push((key, self.expression(0)?));
        }
        Ok(Node::Object(fields))
    }

    fn field_name(&mut self) -> Result<String, SyntaxError> {
        let position = self.position();
        match self.advance() {
            Token::Name(name) if !matches!(name.as_str(), "true" | "false" | "null") => Ok(name),
            other => Err(SyntaxError::new(position, format!("{} behind a dot is not supported", shown(&other)))),
        }
    }

    fn note_path(&mut self, node: &Node) {
        let (start, steps) = match node {
            Node::Path { start: Start::Node(start), steps } => (&**start, steps.as_slice()),
            other => (other, &[][..]),
        };
        let (variable, steps) = match start {
            Node::Variable(name) => (name, steps),
            Node::Filtered { base, .. } => match &**base {
                Node::Variable(name) => (name, &[][..]),
                _ => return,
            },
            _ => return,
        };
        if self.local(variable).is_none() {
            let fields = steps.iter().map(|step| step.name.clone());
            self.paths.push(std::iter::once(variable.clone()).chain(fields).collect());
        }
    }

    fn local(&self, name: &str) -> Option<Local> {
        self.locals.iter().rev().find(|(local, _)| local == name).map(|(_, meaning)| *meaning)
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn peek_second(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::End, |(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(position, _)| *position)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn accept(&mut self, symbol: &'static str) -> bool {
        let there = *self.peek() == Token::Symbol(symbol);
        if there {
            self.next += 1;
        }
        there
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), SyntaxError> {
        if self.accept(symbol) {
            return Ok(());
        }
        Err(self.error(format!("{symbol} was expected, not {}", shown(self.peek()))))
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.position(), message)
    }
}

fn with_filter(node: Node, filter: Node) -> Node {
    match node {
        Node::Path { start, mut steps } => {
            if let Some(last) = steps.last_mut() {
                last.filters.push(filter);
            }
            Node::Path { start, steps }
        }
        Node::Filtered { base, mut filters } => {
            filters.push(filter);
            Node::Filtered { base, filters }
        }
        base => Node::Filtered { base: Box::new(base), filters: vec![filter] },
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Text(text) => format!("'{text}'"),
        Token::Number(digits) => digits.to_string(),
        Token::Name(name) => name.clone(),
        Token::Variable(name) => format!("${name}"),
        Token::Symbol(symbol) => (*symbol).to_owned(),
        Token::End => "the end".to_owned(),
    }
}
