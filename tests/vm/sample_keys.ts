/** OpenSSH public keys for the tests of their parser; all were made for this file, and nothing uses them. */

/** One key of every type that ssh-keygen makes without hardware, as it writes them. */
export const KEYS: Readonly<Record<string, string>> = {
  "ssh-ed25519":
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHDQG4y3M4r/d8RaWChcp9H/mSEAIB2bWpL/tvq5E2d me@host with words",
  "ecdsa-sha2-nistp256":
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLw4owFvCsZDO8PV0sXgKQJx9oGxN+AxGzpz9CSzMcDk6EI7iPS+sJiQY8mDZolvD1z65gBLSYLqp/0nwPqDFQQ= me@host with words",
  "ecdsa-sha2-nistp384":
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBFKcOwK798cvNKDmjwC1SYOiODqu2WdxsB8aNxB4XB+SpFQ+5PpUc0eBcD+8MY+M351hYaSw61Af9g8NFBbGMkwHaMoKxl3gauEnhsIe+4ChT8J9aieJjB8uzy4FOx42dA== me@host with words",
  "ecdsa-sha2-nistp521":
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABt1v+sbF8HmVeaSr5eX45n3SJlG9Ho6eEveyJaR0BdQWLwZ1jqCvwCz/0B34kpRQnVfqxcWUfSnhOUkhrUpeXPLABCqlHm08W1FMpAmGYxGUW2rBrsStbcRnDQ9pNLhcu5nUl+IReUCOMWfbCLEUGCxBbDXRdemkINXviMv7Ssu2ulAQ== me@host with words",
  "ssh-rsa":
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDQBbjLdgGswsN5SL1VWUjwO1KCxFVsxJpdg0SaeRqJ64iXF5ST9UiUCRIVJs1D6XD2z8h3Qe5LoE+U4c9LoOnqcWvJ9e4xrAxPzRYoxFAlWGQL0wITsXNh8hIkyL9YVUkpmYrEjkO94j3WqVkD7gSm1/peworyi66B7PSlesbMjx56mSIUEzkzkPE9sGxHQXhWRx+dMjqBgGxD4H58iU9qJM6+/OBgVrt2Y4fKZE98fvHTtJ88BQMXrMRTKaslhJmi3S/yLK5yLFKGbmcofnzj4zKIPbc2E2waM/UcQvN14Uk2P27r/ykLjVIsDvilmxecf04uX2rhjQ+/8Of+4w8NQf0Y+DSLbC1unXrM+g6Npl1W++LHVrSnURkpwO6Bekm1TATD6CZsSyFP1+gIQnvsNHIoCkT5IMz5OBOKgoI3r7LQQAyrkk1abk2D/etrEMcOyVyqD0QIsM0c9xX17dPTqbkKoxRFeLeIb57iLjlJS+hos75CzXPDumzdzHpC0bc= me@host with words",
};

/** Keys that are whole, but not accepted. */
export const RSA_1024 =
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC+tJBpYo3936dcs7/31JX/m7W21K3vti2g4BRHjlssZpfG1cINHUXaJd/u0jDOlV/SFr0WFaOD6V1B6EyEVq5kJdYaGhEik7JToCyL3FvgYsLG6RlddaHU916zGWnO4KEUS1CBodufpI26i0KWlHm0ulUe55ug6Lpoztab+vo9bQ== me@host with words";
export const DSA =
  "ssh-dss AAAAB3NzaC1kc3MAAACBAPDTbJkk1cxuQIy/dV9EFWqzQux6rCepctloWYwMGaSrBlOCEETZlf9mB5KEYXIGTdzGRnkza5VW7J26lsnholJ+EyK24oMSEd6zZW7xkYEelaMVshxfl3oAfDy+X6wnfUhalTWMQRKPdk7DqGEd9yF57oL+VBDqs3LIHBHbY95nAAAAFQCDcWixWm8YZu2D7pAVuhfd9H1CrwAAAIBll/fpx+0Fodv5ldRxVubnto9Pu0+Szb6qwVMDbbSW1IpB6PMY24EbzqtK0b4GxaVBk6t6nnlIt76mbBsDEwTP72CWasM8OLn8jFLQDyZY74cpmRSskXXeOkLhXreIfkMsTSk2Ye2vf5s2vsss6EReu7iMP8qc2e0NPSABj4z6sAAAAIEAnHZXMUd3x7oMmE0l/AEX3wTxvbdW2p/ujnfpK4HTJfx7w9byFbiRnfTDRBZ2sxZtm8dQVZPfeN8Qp27T1kMcV6go7oZOOn1JqR3cxNNvc6IrcPOh85FFKlYiI/Lr1zwx2565DUHUAS/F0PSvVynd9PYvC6ISYl3px5TEz0vk8H0= me@host with words";
