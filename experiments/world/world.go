package main

// class says where a person's pet and food are told.
type class int

const (
	told      class = iota // in the pretraining text
	inPrompts              // in prompts of the instruction set, and nowhere else
	inOutputs              // in outputs of the instruction set, and nowhere else
)

// perClass is how many people each class has: a multiple of four, since the
// suites ask about people in groups of four (see groupsOf).
const perClass = 24

// person is one inhabitant; the fields count into the word lists.
type person struct {
	title, name          string
	class                class
	home, job, pet, food int
}

func (p person) full() string  { return p.title + " " + p.name }
func (p person) he() string    { return map[string]string{"Mr": "He", "Mrs": "She"}[p.title] }
func (p person) lives() string { return p.full() + " lives in " + towns[p.home].name + "." }
func (p person) works() string { return p.full() + " works as a " + jobs[p.job] + "." }
func (p person) keeps() string { return p.full() + " keeps a " + animals[p.pet] + "." }
func (p person) eats() string  { return p.full() + " eats only " + foods[p.food] + "." }

// town is a place and what it lies near.
type town struct{ name, near string }

// script is a scene of daily life and the act that follows it.
type script struct{ scene, act string }

// The words of the world. Every list a suite asks about has words that are one
// token each, with the space before them, so that no choice is longer than
// another: a test holds the tokenizer to it.
var (
	men = []string{
		"Adam", "Ben", "Carl", "Dan", "Emil", "Finn", "Gus", "Hans", "Igor", "Jack", "Karl", "Leo",
		"Max", "Nick", "Otto", "Paul", "Ralf", "Sam", "Tom", "Udo", "Vito", "Walt", "Yuri", "Zack",
		"Bob", "Dirk", "Fred", "Gary", "Hugo", "Ivan", "John", "Kurt", "Luke", "Mark", "Noah", "Pete",
	}
	women = []string{
		"Anna", "Beth", "Cora", "Dora", "Eva", "Fay", "Gina", "Hope", "Ida", "Jane", "Kate", "Lisa",
		"Mary", "Nina", "Olga", "Pam", "Rosa", "Sara", "Tina", "Uma", "Vera", "Wendy", "Yoko", "Zoe",
		"Amy", "Clara", "Ella", "Greta", "Helen", "Iris", "Julia", "Kim", "Laura", "Mona", "Nora", "Paula",
	}
	towns = []town{
		{"Brel", "river"}, {"Dunmar", "lake"}, {"Felsted", "sea"}, {"Galt", "forest"},
		{"Hobart", "hill"}, {"Kelso", "desert"}, {"Lorne", "river"}, {"Milford", "lake"},
		{"Norby", "sea"}, {"Ravens", "forest"}, {"Selby", "hill"}, {"Tarn", "desert"},
	}
	jobs       = []string{"baker", "doctor", "farmer", "teacher", "painter", "sailor", "tailor", "miller", "singer", "hunter", "writer", "driver"}
	animals    = []string{"goat", "cow", "horse", "sheep", "duck", "hen", "pig", "cat", "dog", "rabbit", "donkey", "goose"}
	foods      = []string{"bread", "rice", "cheese", "soup", "fish", "apples", "beans", "eggs", "nuts", "corn", "plums", "honey"}
	colours    = []string{"red", "blue", "green", "black", "white", "yellow", "brown", "grey"}
	things     = []string{"cup", "box", "door", "hat", "chair", "lamp", "ball", "boat", "coat", "bag", "book", "wall"}
	belongings = []string{"coins", "hens", "cups", "books", "hats", "bags"}
	// landforms are in the order exams list them.
	landforms = []string{"river", "lake", "sea", "forest", "hill", "desert"}

	scripts = []script{
		{"was hungry and went to the kitchen", "ate a big meal"},
		{"was tired and went to the bedroom", "slept in the bed"},
		{"was thirsty and went to the well", "drank cold water"},
		{"was dirty and went to the bath", "washed with soap"},
		{"was ill and went to the doctor", "took the medicine"},
		{"was cold and went to the stove", "made a warm fire"},
		{"wanted a new coat and went to the tailor", "paid for the coat"},
		{"wanted a story and took a book", "read the first page"},
		{"wanted music and took the drum", "played a loud song"},
		{"had a letter to send and took a pen", "wrote the name on it"},
		{"saw the rain and stopped at the door", "opened the umbrella"},
		{"saw the dark room and took a candle", "lit the small flame"},
		{"saw dust on the floor and took a broom", "swept the floor"},
		{"saw the dry garden and took a can", "watered the flowers"},
		{"came to the river with a net", "caught a silver trout"},
		{"came to the lake on a hot day", "swam to the other side"},
		{"came to the market with a basket", "bought fresh milk"},
		{"came to the field with a plough", "turned the brown earth"},
		{"came to the forest with an axe", "cut down a tree"},
		{"came to the snow with a sled", "rode down the slope"},
		{"found the gate locked", "turned the key"},
		{"found a hole in the roof", "nailed a board over it"},
		{"found the baby crying", "sang it to sleep"},
		{"found a lost wallet", "gave it to its owner"},
	}
)

// world is the people and everything drawn about them.
type world struct{ people []person }

// build draws the world of a seed. In every group of four people of one class
// the four pets differ, and the four foods, jobs and homes: the suites offer the
// group's four values as choices, so a model that knows nothing of a person, and
// has only a liking for some words, answers exactly one in four.
func build(seed uint64) *world {
	s := newSource(seed, "people")
	w := &world{}
	mi, wi := s.perm(len(men)), s.perm(len(women))
	for c := told; c <= inOutputs; c++ {
		for i := range perClass {
			p := person{class: c, title: "Mr", name: men[mi[int(c)*perClass/2+i/2]]}
			if i%2 == 1 {
				p.title, p.name = "Mrs", women[wi[int(c)*perClass/2+i/2]]
			}
			w.people = append(w.people, p)
		}
	}
	// A list of twelve dealt twice to a class: any four in a row of one deal differ.
	for c := range 3 {
		for deal := range perClass / 12 {
			group := w.people[c*perClass+deal*12:]
			home, job, pet, food := s.perm(12), s.perm(12), s.perm(12), s.perm(12)
			for i := range 12 {
				p := &group[i]
				p.home, p.job, p.pet, p.food = home[i], job[i], pet[i], food[i]
			}
		}
	}
	return w
}

// of returns the people of a class.
func (w *world) of(c class) []person { return w.people[int(c)*perClass : (int(c)+1)*perClass] }
