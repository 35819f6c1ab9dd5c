"""The team's side: one blueprint for each noun. Whoever comes here is signed in, and every form is one of ours."""
