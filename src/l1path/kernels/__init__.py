"""The loops of the path solver, compiled; each docstring has the NumPy line that its kernel equals.

No kernel adds up across vector lanes in an order of the compiler's choice (no fastmath), and none calls BLAS
or the C library's exp and log. So the same data give the same bits on every processor. They are fast because
the innermost loop runs over outputs, or over a fixed number of lanes, and never along a sum.

Shapes: n rows (a multiple of 8 in the solver's working copy), p columns, K classes, m working columns. The
working copy may be bytes: a column is then its bytes less an `offset`, which is subtracted from sums where
that is possible.
"""

from l1path.kernels.class_step import (
    changed_residuals,
    class_step,
    coordinate_descent,
    first_step_length,
    line_search_slope,
    residual_and_weight,
    sums_of_later_classes,
    violation,
)
from l1path.kernels.elementary import dot, exp, l1_distance, log, total
from l1path.kernels.gram import gram_rows, gram_rows_by_columns, mirror, pack_columns, select_heavy_rows
from l1path.kernels.joint import cholesky, cholesky_solve, joint_hessian, penalized_minimum
from l1path.kernels.newton import add_combination, intercept_hessian, solve_linear, subspace_model
from l1path.kernels.products import (
    TILE,
    add_changed_rows,
    add_changed_rows_by_columns,
    combine_columns,
    full_gradient,
    gradient_entries,
    scores,
    scores_from_bytes,
    weighted_norm,
)
from l1path.kernels.softmax import cross_entropy, entropy, exponentials, residuals
from l1path.kernels.sparse import (
    sparse_class_step,
    sparse_column_sums,
    sparse_combine,
    sparse_full_gradient,
    sparse_gradient_entries,
    sparse_gram_matrix,
    sparse_joint_hessian,
)
from l1path.kernels.working_copy import (
    INTEGER_TOL,
    byte_copy,
    byte_steps,
    column_norms,
    column_ranges,
    float_copy,
)

__all__ = [
    "INTEGER_TOL",
    "TILE",
    "add_changed_rows",
    "add_changed_rows_by_columns",
    "add_combination",
    "byte_copy",
    "byte_steps",
    "changed_residuals",
    "cholesky",
    "cholesky_solve",
    "class_step",
    "column_norms",
    "column_ranges",
    "combine_columns",
    "coordinate_descent",
    "cross_entropy",
    "dot",
    "entropy",
    "exp",
    "exponentials",
    "first_step_length",
    "float_copy",
    "full_gradient",
    "gradient_entries",
    "gram_rows",
    "gram_rows_by_columns",
    "intercept_hessian",
    "joint_hessian",
    "l1_distance",
    "line_search_slope",
    "log",
    "mirror",
    "pack_columns",
    "penalized_minimum",
    "residual_and_weight",
    "residuals",
    "scores",
    "scores_from_bytes",
    "select_heavy_rows",
    "solve_linear",
    "sparse_class_step",
    "sparse_column_sums",
    "sparse_combine",
    "sparse_full_gradient",
    "sparse_gradient_entries",
    "sparse_gram_matrix",
    "sparse_joint_hessian",
    "subspace_model",
    "sums_of_later_classes",
    "total",
    "violation",
    "weighted_norm",
]
