# glmnet's multinomial path, for path.py: Rscript glmnet.R folder thresh
# folder holds X (n * p float64, row after row), y (n int32, 0 to K - 1), lambda (float64, falling) and shape (n, p
# as int32); it gets coef (points * p * K float64, the class last to vary) and intercept (points * K).
suppressMessages(library(glmnet))
argument <- commandArgs(TRUE)
read <- function(name, what, count) readBin(file.path(argument[1], name), what, count)
shape <- read("shape", "integer", 2)
X <- matrix(read("X", "double", prod(shape)), shape[1], shape[2], byrow = TRUE)
lambda <- read("lambda", "double", 1e6)
y <- factor(read("y", "integer", shape[1]))
time <- system.time(
  fit <- glmnet(X, y, family = "multinomial", standardize = FALSE, lambda = lambda,
                thresh = as.numeric(argument[2]), maxit = 1e7)
)
# a path that stopped early repeats its last point
last <- pmin(seq_along(lambda), ncol(fit$a0))
coef <- sapply(fit$beta, function(b) as.numeric(as.matrix(b)[, last]))
writeBin(as.numeric(coef), file.path(argument[1], "coef"))
writeBin(as.numeric(fit$a0[, last]), file.path(argument[1], "intercept"))
cat(time[["elapsed"]], time[["user.self"]] + time[["sys.self"]], "\n")
