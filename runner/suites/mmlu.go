package suites

// subjects are a group of MMLU's subjects with the number of their test items,
// which are the weights of the weighted average.
type subjects struct {
	group string
	names []string
	items []int
}

// mmluSubjects are the 57 subjects in the four groups of Hendrycks et al.
// (2021), in the order of the study's table.
var mmluSubjects = []subjects{
	{"humanities", []string{
		"formal_logic", "high_school_european_history", "high_school_us_history", "high_school_world_history", "international_law",
		"jurisprudence", "logical_fallacies", "moral_disputes", "moral_scenarios", "philosophy", "prehistory", "professional_law", "world_religions",
	}, []int{126, 165, 204, 237, 121, 108, 163, 346, 895, 311, 324, 1534, 171}},
	{"stem", []string{
		"abstract_algebra", "anatomy", "astronomy", "college_biology", "college_chemistry", "college_computer_science", "college_mathematics",
		"college_physics", "computer_security", "conceptual_physics", "electrical_engineering", "elementary_mathematics", "high_school_biology",
		"high_school_chemistry", "high_school_computer_science", "high_school_mathematics", "high_school_physics", "high_school_statistics", "machine_learning",
	}, []int{100, 135, 152, 144, 100, 100, 100, 102, 100, 235, 145, 378, 310, 203, 100, 270, 151, 216, 112}},
	{"social-science", []string{
		"econometrics", "high_school_geography", "high_school_government_and_politics", "high_school_macroeconomics", "high_school_microeconomics",
		"high_school_psychology", "human_sexuality", "professional_psychology", "public_relations", "security_studies", "sociology", "us_foreign_policy",
	}, []int{114, 198, 193, 390, 238, 545, 131, 612, 110, 245, 201, 100}},
	{"other", []string{
		"business_ethics", "clinical_knowledge", "college_medicine", "global_facts", "human_aging", "management", "marketing", "medical_genetics",
		"miscellaneous", "nutrition", "professional_accounting", "professional_medicine", "virology",
	}, []int{100, 265, 173, 100, 223, 103, 234, 100, 783, 306, 282, 272, 166}},
}

// mmluGroups are the averages: each group, all subjects alike, and all subjects
// weighted by their items (the accuracy over all items).
func mmluGroups() (groups []Group, items map[string]int) {
	items = map[string]int{}
	var all []string
	var weights []int
	for _, g := range mmluSubjects {
		groups = append(groups, Group{Name: g.group, Members: g.names})
		all = append(all, g.names...)
		weights = append(weights, g.items...)
		for i, n := range g.names {
			items[n] = g.items[i]
		}
	}
	return append(groups, Group{Members: all}, Group{Members: all, Weights: weights, Weighted: true}), items
}
