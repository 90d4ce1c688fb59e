package ptx

// space is a state space.
type space uint8

const (
	spaceGeneric space = iota
	spaceReg
	spaceGlobal
	spaceShared
	spaceLocal
	spaceConst
	spaceParam
)

var spaceNames = [...]string{"generic", "reg", "global", "shared", "local", "const", "param"}

func (s space) String() string { return spaceNames[s] }

// register is a virtual register, or a component of a vector register.
type register struct {
	name string
	typ  typ
	id   int // within the function, in order of first mention
}

// variable is a variable in memory, or a parameter.
type variable struct {
	name   string
	space  space
	typ    typ
	vec    int // elements of a vector type, 1 otherwise
	array  bool
	size   int64 // bytes; 0 for an array without bounds
	align  int64
	extern bool
	init   []byte
	relocs []reloc
	pos    Pos

	reg    *register // parameter of a function in a register
	index  int       // place among the function's variables of its space
	offset int64     // in its space
}

// reloc is an address within an initializer.
type reloc struct {
	at      int64
	bytes   int // width of the field
	shift   int // bits the address is shifted right by, of a mask operator
	name    string
	addend  int64
	generic bool
	pos     Pos
}

// operandKind is the syntactic kind of an operand.
type operandKind uint8

const (
	argReg     operandKind = iota // %r1, !%p1
	argInt                        // 12, -1
	argFloat                      // 0f3F800000, 1.0
	argSymbol                     // variable, variable+4
	argName                       // function or label
	argSpecial                    // %tid.x
	argVector                     // {%f1, %f2}
	argAddress                    // [%rd1+16], [variable], [12]
	argSink                       // _
	argList                       // (a, b) of a call
)

type operand struct {
	kind   operandKind
	pos    Pos
	text   string
	reg    *register
	not    bool     // !p
	second *operand // d|p

	bits   uint64 // integer, or bits of a float
	uns    bool   // integer literal with suffix U, or beyond int64
	single bool   // float literal of 32 bits

	sym    *variable
	offset int64     // of a symbol or address
	elems  []operand // vector, list
}

// inst is an instruction as written.
type inst struct {
	pos      Pos
	guard    *register
	guardNot bool
	op       string
	mods     []token
	args     []operand
	scope    *scope // for labels
}

// stmt is an instruction, or a label before the next one.
type stmt struct {
	inst  *inst
	label string
	scope *scope
	pos   Pos
}

// scope is a level of names: the module, a function, a block in braces.
type scope struct {
	outer  *scope
	regs   map[string]*register
	ranges map[string]regRange
	vecs   map[string][]*register
	vars   map[string]*variable
	labels map[string]int // to the index of an instruction
	tables map[string][]token
	protos map[string]*function
}

type regRange struct {
	typ   typ
	count int64
}

func newScope(outer *scope) *scope {
	return &scope{
		outer: outer, regs: map[string]*register{}, ranges: map[string]regRange{}, vecs: map[string][]*register{},
		vars: map[string]*variable{}, labels: map[string]int{}, tables: map[string][]token{}, protos: map[string]*function{},
	}
}

// function is an entry or a device function.
type function struct {
	name    string
	entry   bool
	defined bool
	extern  bool
	weak    bool
	pos     Pos
	params  []*variable
	results []*variable

	maxThreads int
	required   Dim
	body       []stmt
	scope      *scope
	nregs      int
	locals     []*variable // .local
	localBytes int64
	shareds    []*variable // .shared declared inside
	callParams []*variable // .param declared inside
	paramFrame int64       // bytes of formal and call parameters in a frame
	paramBytes int64       // of an entry: its buffer
	module     *Module
	*code
	contractible []Pos
}
